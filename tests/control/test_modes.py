"""The mode table: nothing engages by itself, nothing leaves a fault by itself."""

import itertools

import pytest

from edgevla.control.modes import ASKABLE, LATCHING, SOFT, TABLE, next_mode
from edgevla.messages import Event, Mode

PERSON = {Event.ARM, Event.DISARM, Event.ENGAGE, Event.RELEASE, Event.STOP, Event.RESET}


def test_a_person_can_ask_for_nothing_that_only_the_machine_knows():
    assert PERSON == ASKABLE


def test_only_a_person_engages_and_only_out_of_holding():
    ways_in = {
        (mode, event) for mode, event in itertools.product(Mode, Event) if next_mode(mode, event) is Mode.ENGAGED
    }
    ways_in -= {(Mode.ENGAGED, event) for event in Event}
    assert ways_in == {(Mode.HOLDING, Event.ENGAGE)}


def test_only_a_person_leaves_a_fault_and_that_disarms():
    ways_out = {(event, next_mode(Mode.FAULT, event)) for event in Event} - {(event, Mode.FAULT) for event in Event}
    assert ways_out == {(Event.RESET, Mode.DISARMED)}


def test_disarmed_is_left_by_arming_or_by_a_fault():
    assert {event for event in Event if next_mode(Mode.DISARMED, event) is not Mode.DISARMED} == {
        Event.ARM,
        *LATCHING,
    }
    assert next_mode(Mode.DISARMED, Event.ARM) is Mode.HOLDING


@pytest.mark.parametrize("event", SOFT)
def test_whatever_ends_an_engagement_softly_leads_through_a_controlled_stop_to_holding(event):
    assert next_mode(Mode.ENGAGED, event) is Mode.STOPPING
    assert next_mode(Mode.STOPPING, Event.STOPPED) is Mode.HOLDING


@pytest.mark.parametrize(("mode", "event"), list(itertools.product(Mode, LATCHING)))
def test_a_latching_event_is_a_fault_in_every_mode(mode, event):
    assert next_mode(mode, event) is Mode.FAULT


def test_an_engagement_that_is_ending_cannot_be_taken_up_again():
    assert next_mode(Mode.STOPPING, Event.ENGAGE) is Mode.STOPPING


def test_the_machine_by_itself_only_ever_slows_down():
    by_itself = {(mode, event): after for (mode, event), after in TABLE.items() if event not in PERSON}
    assert set(by_itself.values()) <= {Mode.STOPPING, Mode.HOLDING, Mode.FAULT}
    assert all(mode is Mode.STOPPING for (mode, _), after in by_itself.items() if after is Mode.HOLDING)
