# make demo   the shipped model on a photo, then a small one trained on drawn faces; out/demo
# make test   the test suite
# make docs   the documentation as a site; out/site/index.html
PYTHON ?= python3
BIN := .venv/bin
DEMO := out/demo

.PHONY: demo test lint docs clean

demo: .venv/installed
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	$(BIN)/python -c "import skimage.data as photos, PIL.Image as pictures; \
		pictures.fromarray(photos.astronaut()).save('$(DEMO)/astronaut.png')"
	printf 'image,x0,y0,x1,y1\nastronaut.png,179,86,271,178\n' > $(DEMO)/boxes.csv
	$(BIN)/rcsr-predict --boxes=$(DEMO)/boxes.csv --out=$(DEMO) $(DEMO)/astronaut.png
	$(BIN)/rcsr-train --data=drawn --preset=demo --workdir=$(DEMO)/run
	$(BIN)/rcsr-evaluate --checkpoint=$(DEMO)/run --data=drawn --split=test \
		--out=$(DEMO)/evaluation
	$(BIN)/rcsr-export --checkpoint=$(DEMO)/run --out=$(DEMO)/model
	$(BIN)/rcsr-draw --num_faces=4 --overwrite --out=$(DEMO)/photos
	$(BIN)/rcsr-predict --checkpoint=$(DEMO)/model --boxes=$(DEMO)/photos/boxes.csv \
		--out=$(DEMO)/landmarks $(DEMO)/photos/*.png

test: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:
	rm -rf .venv out build dist *.egg-info

.venv/installed: setup.cfg setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e ".[photo]"
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/pip install --quiet -e ".[test]"
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/pip install --quiet -e ".[docs]"
	touch $@

.venv/installed-dev: .venv/installed-test
	$(BIN)/pip install --quiet -e ".[dev]"
	$(BIN)/pip install --quiet --no-deps "jax2onnx >= 0.17"
	touch $@
