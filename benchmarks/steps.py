"""How many steps are worth their time: quality (the prompt check) and seconds over solver and number of steps.

python benchmarks/steps.py [NUM_PROMPTS] [MODEL_FOLDER] [PROBE]        last line: JSON. Run it on an idle machine: about an hour for all 32 prompts.

The prompts are the tune list (with a probe worlds-tune, all of which it reads), on which alone settings may be chosen; seeds count up by prompt. distance: of the frames to those of the most
steps with Heun, in levels of 255: how far the solver still is from where it goes.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import reverie
from reverie.evaluation.prompts import look_by, prompt_list, score

STEPS = (1, 2, 4, 8, 12, 16, 25, 50, 64)


def main() -> None:
    """Measure and print."""
    probe = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    look, name = look_by(probe), "worlds-tune" if probe else "tune"
    prompts = prompt_list(name)[: int(sys.argv[1]) if len(sys.argv) > 1 else None]
    dreamer = reverie.load(sys.argv[2] if len(sys.argv) > 2 else None)
    goal = [dreamer.generate(prompt.text, seed=n, num_steps=STEPS[-1], solver="heun").frames.astype(np.float32) for n, prompt in enumerate(prompts)]
    table = []
    for solver in ("euler", "heun"):
        for num_steps in STEPS:
            distances, start = [], time.perf_counter()
            films = [dreamer.generate(prompt.text, seed=n, num_steps=num_steps, solver=solver).frames for n, prompt in enumerate(prompts)]
            seconds = (time.perf_counter() - start) / len(prompts)
            for film, best in zip(films, goal, strict=True):
                distances.append(float(np.abs(film - best).mean()))
            figures = score(look(films), prompts)
            row = {"solver": solver, "num_steps": num_steps, "seconds": round(seconds, 2), "distance": round(float(np.mean(distances)), 2)}
            row |= {key: value for key, value in figures.items() if key.endswith(("_right", "_interval"))}
            table.append(row)
            right = ", ".join(f"{key.removesuffix('_right')} {value}" for key, value in row.items() if key.endswith("_right"))
            print(f"{solver:6s}{num_steps:4d} steps {seconds:6.2f} s  right: {right} of {len(prompts)}, distance {row['distance']}", flush=True)
    print(json.dumps({"model": dreamer.digest, "list": name, "prompts": len(prompts), "table": table}))


if __name__ == "__main__":
    main()
