.PHONY: check test test-slow size

check:
	ruff check reverie tests benchmarks
	ruff format --check reverie tests benchmarks
	mypy
	pytest

test:
	pytest

test-slow:
	pytest -m slow

size:
	@find reverie -name '*.py' | xargs cat | wc -l
