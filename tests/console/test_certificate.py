"""A certificate that a browser would not take is found before anybody connects."""

from pathlib import Path

import pytest

from edgevla.console.certificate import server_context
from edgevla.console.errors import CertificateRefused

FOLDER = Path(__file__).parent / "certificates"


def test_a_certificate_and_its_key_are_taken():
    assert server_context(FOLDER / "certificate.pem", FOLDER / "key.pem").minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize(
    ("certificate", "key", "why"),
    [
        ("missing.pem", "key.pem", "--tls-cert .*missing.pem: No such file"),
        ("certificate.pem", "missing.pem", "--tls-key .*missing.pem: No such file"),
        ("certificate.pem", "other-key.pem", "--tls-key .*other-key.pem is not the key of --tls-cert"),
        ("certificate.pem", "locked-key.pem", "--tls-key .*locked-key.pem has a password"),
        ("README.md", "key.pem", "no certificate and key in PEM form"),
        ("certificate.pem", "README.md", "no certificate and key in PEM form"),
        ("expired.pem", "key.pem", "expired.pem: certificate has expired"),
        ("future.pem", "key.pem", "future.pem: certificate is not yet valid"),
        (".", "key.pem", "Is a directory"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(certificate, key, why):
    with pytest.raises(CertificateRefused, match=why) as refused:
        server_context(FOLDER / certificate, FOLDER / key)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2
