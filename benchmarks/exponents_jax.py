"""The 6x6 TRM's segment with tangents in JAX, for exponents.py: ``python exponents_jax.py CASE.npz`` in an environment with jax.

Prints the largest difference of the growths from those in the file (float64) as one line of JSON, then answers each line
"exponents" or "floor" on standard input with the seconds of one call in float32, compiled and waited for.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import json
import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np


def rms(v):
    """v / sqrt(mean(v^2) + 1e-5) over the last axis."""
    return v * jax.lax.rsqrt(jnp.mean(v * v, -1, keepdims=True) + 1e-5)


def swiglu(v, w, name):
    """down(silu(gate) * up)."""
    gate, up = jnp.split(v @ w[f"{name}.gate_up_proj.weight"].T, 2, -1)
    return (jax.nn.silu(gate) * up) @ w[f"{name}.down_proj.weight"].T


def level(v, w, layers):
    """The TRM's one network, MLP mixing; v (..., P, D)."""
    for i in range(layers):
        name = f"inner.L_level.layers.{i}"
        t = jnp.swapaxes(v, -1, -2)
        v = jnp.swapaxes(rms(t + swiglu(t, w, f"{name}.mlp_t")), -1, -2)
        v = rms(v + swiglu(v, w, f"{name}.mlp"))
    return v


def update(which, state, x, w, layers):
    """One update of the pair (z_H, z_L)."""
    z_h, z_l = state
    return (
        (z_h, level(z_l + (z_h + x), w, layers))
        if which == "L"
        else (level(z_h + z_l, w, layers), z_l)
    )


def make(case, dtype):
    """(exponents, floor): compiled functions without arguments."""
    w = {k: jnp.asarray(v, dtype) for k, v in case.items() if k.startswith("inner.")}
    x, z_h, z_l, d_h, d_l = (jnp.asarray(case[k], dtype) for k in ("x", "z_h", "z_l", "d_h", "d_l"))
    schedule, layers = str(case["schedule"]), int(case["layers"])

    @jax.jit
    def exponents(state, frame, x):
        growth = 0.0
        for which in schedule:

            def step(s, which=which):
                return update(which, s, x, w, layers)

            new, push = jax.linearize(step, state)
            state, frame = new, jax.vmap(push)(frame)
            k, batch = frame[0].shape[:2]
            joint = jnp.concatenate([part.reshape(k, batch, -1) for part in frame], -1).transpose(
                1, 2, 0
            )
            q, r = jnp.linalg.qr(joint)
            growth = growth + jnp.log(jnp.abs(jnp.diagonal(r, axis1=-2, axis2=-1)))
            frame = tuple(
                part.reshape(old.shape)
                for part, old in zip(jnp.split(q.transpose(2, 0, 1), 2, -1), frame, strict=True)
            )
        return growth

    @jax.jit
    def floor(state, x):
        for which in schedule:
            state = update(which, state, x, w, layers)
        return state

    wide = tuple(jnp.tile(z, (1 + len(d_h), 1, 1)) for z in (z_h, z_l))
    x_wide = jnp.tile(x, (1 + len(d_h), 1, 1))
    return lambda: exponents((z_h, z_l), (d_h, d_l), x), lambda: floor(wide, x_wide)


def main():
    """Answer exponents.py."""
    case = dict(np.load(sys.argv[1]))
    difference = np.abs(np.asarray(make(case, jnp.float64)[0]()) - case["growth"]).max()
    calls = dict(zip(("exponents", "floor"), make(case, jnp.float32), strict=True))
    for call in calls.values():
        jax.block_until_ready(call())  # compile
    print(json.dumps({"largest difference": float(difference)}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        jax.block_until_ready(calls[line.strip()]())
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
