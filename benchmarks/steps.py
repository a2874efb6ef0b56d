"""How many steps are worth their time: quality (the prompt check) and seconds over solver and number of steps.

python benchmarks/steps.py [NUM_PROMPTS] [MODEL_FOLDER]        last line: JSON. Run it on an idle machine: about an hour for all 32 prompts.

The prompts are the tune list, on which alone settings may be chosen; seeds count up by prompt. distance: of the frames to those of the most
steps with Heun, in levels of 255: how far the solver still is from where it goes.
"""

import json
import sys
import time

import numpy as np

import reverie
from reverie.evaluation.prompts import look_at_all, prompt_list, score

STEPS = (1, 2, 4, 8, 12, 16, 25, 50, 64)


def main() -> None:
    """Measure and print."""
    prompts = prompt_list("tune")[: int(sys.argv[1]) if len(sys.argv) > 1 else None]
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
            figures = score(look_at_all(films), prompts)
            row = {"solver": solver, "num_steps": num_steps, "seconds": round(seconds, 2), "distance": round(float(np.mean(distances)), 2)}
            row |= {key: figures[key] for key in ("colour_right", "motion_right", "motion_interval")}
            table.append(row)
            print(
                f"{solver:6s}{num_steps:4d} steps {seconds:6.2f} s  colour {row['colour_right']}, motion {row['motion_right']} of {len(prompts)}, distance {row['distance']}",
                flush=True,
            )
    print(json.dumps({"model": dreamer.digest, "list": "tune", "prompts": len(prompts), "table": table}))


if __name__ == "__main__":
    main()
