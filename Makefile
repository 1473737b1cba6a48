# Two commands for a newcomer: `make demo` and `make test`. Each sets up all it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
GRAPHICS := libegl1 libgl1 libgl1-mesa-dri libglib2.0-0
# One BLAS thread: the matrices here are small, and two cores are soon taken.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint unit untimed timed graphics browser contract kernels kernels-sanitize kernels-budget \
    eval matrix triton bench bench-loops bench-chunks bench-decode bench-variants bench-vla bench-recording bench-stop bench-console plan soak latency faults properties mutants importers clean

demo: graphics
	$(BIN)/edgevla demo

test: graphics browser
	@$(MAKE) --no-print-directory --jobs 2 lint contract
	@$(MAKE) --no-print-directory unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What keeps time with a simulated robot mostly waits. The rest has those cores meanwhile, in the class that always gives
# way, and is printed when it is done.
unit: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target untimed timed

untimed:
	@chrt --idle 0 $(BIN)/pytest -n 2 --dist loadfile -m "not realtime"

timed:
	+@$(BIN)/pytest -m realtime

# The decoding kernels: for this processor always, for GPUs where nvcc and cmake are there.
kernels: $(READY)
	@if command -v cmake >/dev/null && command -v nvcc >/dev/null; then \
	    cmake -S kernels -B kernels/build && MAKEFLAGS= cmake --build kernels/build --parallel 2; \
	else echo 'note: no nvcc with cmake, so this is the library for the processor only'; \
	    $(BIN)/python kernels/build_host.py; fi

kernels-sanitize: $(READY)
	$(BIN)/python -m tests.kernels.sanitizing --calls 1000

# Run it when a kernel changed: registers, shared memory and spills of each, which a test compares.
kernels-budget: $(READY)
	$(BIN)/python kernels/budget.py > kernels/budget.md.new && mv kernels/budget.md.new kernels/budget.md

# Triton itself, from NVIDIA's wheel (x86-64, glibc 2.35; 0.4 GB): what a model repository answers, what gRPC adds.
triton: $(VENV)/triton/.ready
	$(BIN)/pytest -s tests/engine/test_triton_real.py

$(VENV)/triton/.ready: tests/engine/triton_requirements.txt $(READY)
	$(PYTHON) -m venv $(VENV)/triton
	$(VENV)/triton/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Wheels that only subprocesses of the tests use; what cannot be had is left out, and said.
contract: $(READY)
	@$(BIN)/python -m tests.contract.fetch

# The figures of engines/so101-tabletop/README.md: the policy, what it is without its senses, and the expert.
eval: graphics
	$(BIN)/edgevla eval --episodes 180 --seed 7 --json reports/eval.json
	for sense in wrong-colour black-image zero-action; do \
	    $(BIN)/edgevla eval --episodes 180 --seed 7 --ablate $$sense --json reports/eval-$$sense.json || exit; done
	$(BIN)/edgevla eval --episodes 180 --seed 7 --expert --json reports/eval-expert.json

# Every family, fp32 and int8, under each condition: the table of engines/README.md. An interrupted run goes on.
matrix: graphics
	$(BIN)/edgevla eval --matrix --nominal 90 --episodes 45 --json reports/matrix.json --markdown engines/README.md \
	    --plot engines/families/matrix.png

bench: graphics
	$(BIN)/python -m benchmarks.tick --json reports/bench-tick.json

# For an idle machine: 20 minutes, 15 seconds, 40 minutes, 6 minutes. SCALE=0.1 for a shorter soak.
SCALE ?= 1.0

bench-loops: graphics
	$(BIN)/python -m benchmarks.loops --json reports/bench-loops.json

bench-chunks: $(READY)
	$(BIN)/python -m benchmarks.chunks --json reports/bench-chunks.json

# 3 GB of disk, about 20 minutes.
bench-vla: $(READY)
	$(BIN)/python -m benchmarks.vla_size reports/vla --json reports/bench-vla.json

bench-decode: kernels
	$(BIN)/python -m benchmarks.decode --json reports/bench-decode.json

bench-variants: $(READY)
	$(BIN)/python -m benchmarks.variants --json reports/bench-variants.json

# For an idle machine: six minutes, one, and four.
bench-recording: graphics
	$(BIN)/python -m benchmarks.recording --turns 6 --seconds 30 --json reports/bench-recording.json

bench-stop: graphics browser
	$(BIN)/python -m benchmarks.stop_latency --json reports/bench-stop.json

bench-console: graphics
	$(BIN)/python -m benchmarks.console --json reports/bench-console.json

# The table of engines/README.md: the estimate beside what others have published.
plan: $(READY)
	$(BIN)/edgevla plan --published --json reports/plan.json

soak: graphics
	$(BIN)/python -m benchmarks.soak --minutes 30 --scale $(SCALE) --json reports/soak.json

latency: graphics
	$(BIN)/edgevla latency --json reports/latency.json

# The table of tests/hil/README.md: what breaks, how soon it is noticed, when the arm stands. About six minutes.
faults: graphics
	$(BIN)/edgevla faults --json reports/faults.json --markdown tests/hil/README.md

# Half an hour: over 20 000 random plans for each of the bounds, a million inputs for each of the codecs.
properties: $(READY)
	EDGEVLA_EXAMPLES=34 $(BIN)/pytest --timeout 3600 tests/control/test_motion.py tests/control/test_limits.py
	EDGEVLA_EXAMPLES=800 $(BIN)/pytest --timeout 7200 tests/control/test_workspace.py
	$(BIN)/python -m tests.motors.fuzz_codecs --count 1000000 --json reports/fuzz.json

# Half an hour with JOBS=1: changes the bounds and the codecs a thousand times over, and wants a test to fail each time.
JOBS ?= 1

mutants: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sim,test,triton,console,record,dataset,browser,mutants]'
	$(BIN)/python -m tests.mutants.run --jobs $(JOBS)

# Upstream's own policies, small and random, beside what `edgevla import` makes of them: an environment of 5.5 GB.
IMPORT ?= python3.12

importers: .venv-import/.ready
	HF_HUB_OFFLINE=1 PYTHONPATH=. .venv-import/bin/python -m tests.importers.prove --json reports/importers.json

.venv-import/.ready: tests/importers/requirements.txt
	$(IMPORT) -m venv .venv-import
	.venv-import/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(VENV) .venv-import build dist reports *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
	    || { echo 'error: $(PYTHON) is not Python 3.10 to 3.12 - name one: make PYTHON=python3.12 ...'; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	    || { echo 'error: no virtual environment - sudo apt-get install -y python3-venv'; exit 2; }
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sim,test,triton,console,record,dataset,browser]'
	@touch $@

# Rendering without a screen needs OpenGL in software; it is installed here, or you are told how.
graphics: $(READY)
	@$(BIN)/python -m edgevla.sim.probe 2>/dev/null || { \
	    echo 'installing $(GRAPHICS), for rendering without a screen'; \
	    if [ "$$(id -u)" = 0 ]; then SUDO=; elif sudo -n true 2>/dev/null; then SUDO=sudo; else \
	        echo 'error: not permitted to install it - sudo apt-get install -y $(GRAPHICS)'; exit 2; fi; \
	    $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq $(GRAPHICS) >/dev/null; \
	    $(BIN)/python -m edgevla.sim.probe; }

# The operator's page is tested in a real browser. Without one those tests say that they were left out.
browser: $(READY)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	    echo 'installing chromium, for the tests of the operator'"'"'s page'; \
	    if [ "$$(id -u)" = 0 ]; then SUDO=; elif sudo -n true 2>/dev/null; then SUDO=sudo; else \
	        echo 'note: not permitted to install it, so the page is not tested - sudo apt-get install -y chromium'; exit 0; fi; \
	    $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium >/dev/null \
	        || echo 'note: no package of that name here, so the page is not tested'; }
