"""A rig: bodies on the ground that are stepped by rigid-body physics from frame to frame, for the acts."""

import math
from collections.abc import Callable

import numpy as np

from reverie.worlds.scene import Format, Scene

SUBSTEP = 0.004  # seconds at most
Frames = tuple[np.ndarray, np.ndarray]  # positions [T 3], rotations [T 3 3]


class Rig:
    """Bodies on the ground, stepped from frame to frame; `each` is called after every step with the time."""

    def __init__(self, scene: Scene, format: Format, bodies: str, warm_up: float = 0.0) -> None:
        import mujoco

        self.mujoco, self.format = mujoco, format
        self.per_frame = math.ceil(1 / format.fps / SUBSTEP - 1e-9)
        self.substep = 1 / format.fps / self.per_frame
        self.model = mujoco.MjModel.from_xml_string(
            f'<mujoco><option timestep="{self.substep!r}" gravity="0 0 {-scene.gravity}"/><default><geom density="100" friction=".6 .005 .0005" solref="-9000 -60" condim="4"/></default>'
            f'<worldbody><geom name="ground" type="plane" size="0 0 .1"/>{bodies}</worldbody></mujoco>'
        )
        self.data = mujoco.MjData(self.model)
        self.warm_up = warm_up

    def put(self, body: str, velocity: np.ndarray, spin: np.ndarray) -> None:
        """Give a free body its velocity and its spin (its own frame)."""
        dof = self.model.jnt_dofadr[self.model.body(body).jntadr[0]]
        self.data.qvel[dof : dof + 3], self.data.qvel[dof + 3 : dof + 6] = velocity, spin

    def touching(self, a: str, *others: str) -> bool:
        """Whether any geoms of a body and of one of the others ("world": the ground) touch now."""
        first, rest = self.model.body(a).id, [self.model.body(name).id for name in others]
        touched = self.model.geom_bodyid[self.data.contact.geom]
        return bool((np.isin(touched, rest).any(1) & (touched == first).any(1)).any())

    def run(self, first: int = 0, each: Callable[[float], bool] | None = None) -> tuple[dict[str, Frames], int]:
        """From step `first` to the last frame, or until `each` returns True: (poses of every body in every frame from there on, the step at which it ended)."""
        for _ in range(round(self.warm_up / self.substep)):
            self.mujoco.mj_step(self.model, self.data)
        step, last = first, (self.format.num_frames - 1) * self.per_frame
        places, turns = [], []
        self.mujoco.mj_forward(self.model, self.data)
        while True:
            if step % self.per_frame == 0:
                places.append(self.data.xpos.copy())
                turns.append(self.data.xmat.reshape(-1, 3, 3).copy())
            if step == last:
                break
            self.mujoco.mj_step(self.model, self.data)
            step += 1
            if each and each(step * self.substep):
                break
        self.mujoco.mj_kinematics(self.model, self.data)
        names = [self.model.body(n).name for n in range(self.model.nbody)]
        shape = (len(places), self.model.nbody)
        p, r = np.array(places).reshape(*shape, 3), np.array(turns).reshape(*shape, 3, 3)
        return {name: (p[:, n], r[:, n]) for n, name in enumerate(names)}, step


def free(name: str, at: tuple[float, ...] | np.ndarray, geom: str, turn: np.ndarray | None = None) -> str:
    """The XML of a free body with one geom."""
    turned = np.array([1.0, 0, 0, 0]) if turn is None else quat(turn)
    return f'<body name="{name}" pos="{words(at)}" quat="{words(turned)}"><freejoint/><geom {geom}/></body>'


def words(numbers: tuple[float, ...] | np.ndarray) -> str:
    """Numbers as XML has them."""
    return " ".join(f"{v:.6f}" for v in numbers)


def quat(m: np.ndarray) -> np.ndarray:
    """A rotation [3 3] as w x y z."""
    import mujoco

    result = np.empty(4)
    mujoco.mju_mat2Quat(result, np.ascontiguousarray(m).ravel())
    return result
