// The forward pass of rrm_core.models.recursive in plain JavaScript: TRM with MLP mixing, TRM and HRM with attention. No DOM, no network.
// Shape letters as in rrm_core.models.recursive: P positions (prefix + cells), D width, V vocabulary. Arrays are Float32Array, row by row;
// sums run in float64 and are rounded to float32 when stored, so one segment agrees with PyTorch's float32 to round-off.
// Weights come from a sidecar script written by rrm_companion.inpage, which puts them at rrm.weights[<run>].
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  rrm.weights = rrm.weights || {};

  const RMS_EPS = 1e-5, ROPE_THETA = 10000;

  // --- operations ---

  // out (R, C) = a (R, K) w^T, w (C, K) as torch.nn.Linear stores it. Needs R >= 2, C >= 4. Tiles of 2 x 4 keep eight sums in
  // registers, four times as fast as one sum at a time; the last tile overlaps the one before instead of needing a remainder.
  function product(a, R, K, w, C, out) {
    for (let r0 = 0; r0 < R; r0 += 2) {
      const r = Math.min(r0, R - 2), a0 = r * K, a1 = a0 + K;
      for (let c0 = 0; c0 < C; c0 += 4) {
        const c = Math.min(c0, C - 4), w0 = c * K, w1 = w0 + K, w2 = w1 + K, w3 = w2 + K;
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        for (let k = 0; k < K; k++) {
          const x = a[a0 + k], y = a[a1 + k], u0 = w[w0 + k], u1 = w[w1 + k], u2 = w[w2 + k], u3 = w[w3 + k];
          s0 += x * u0; s1 += x * u1; s2 += x * u2; s3 += x * u3;
          t0 += y * u0; t1 += y * u1; t2 += y * u2; t3 += y * u3;
        }
        const o = r * C + c, p = o + C;
        out[o] = s0; out[o + 1] = s1; out[o + 2] = s2; out[o + 3] = s3;
        out[p] = t0; out[p + 1] = t1; out[p + 2] = t2; out[p + 3] = t3;
      }
    }
  }

  // v (R, C) += b, then each row divided by sqrt(mean(row^2) + 1e-5), in place.
  function addRms(v, b, R, C) {
    for (let r = 0; r < R; r++) {
      let squares = 0;
      for (let i = r * C, end = i + C; i < end; i++) {
        const value = (v[i] += b[i]);
        squares += value * value;
      }
      const scale = 1 / Math.sqrt(squares / C + RMS_EPS);
      for (let i = r * C, end = i + C; i < end; i++) v[i] *= scale;
    }
  }

  // The transpose (C, R) of v (R, C).
  function transpose(v, R, C, out) {
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) out[c * R + r] = v[r * C + c];
  }

  // --- layers: functions (v (R, h), out (R, h)), with working memory of their own ---

  // down(silu(gate) * up) along the last axis of `rows` rows; gate and up are the halves of one product.
  function swiglu(up, down, rows) {
    const inner = down.shape[1], h = down.shape[0], both = new Float32Array(rows * 2 * inner), gated = new Float32Array(rows * inner);
    return (v, out) => {
      product(v, rows, h, up.data, 2 * inner, both);
      for (let r = 0; r < rows; r++) {
        for (let i = 0, g = 2 * r * inner, o = r * inner; i < inner; i++) {
          const gate = both[g + i];
          gated[o + i] = (gate / (1 + Math.exp(-gate))) * both[g + inner + i];
        }
      }
      product(gated, rows, inner, down.data, h, out);
    };
  }

  // Non-causal attention over all P positions with rotary positions (halves rotated).
  function attention(qkv, o, P, heads) {
    const D = o.shape[0], d = D / heads, half = d / 2, all = new Float32Array(P * 3 * D), mixed = new Float32Array(P * D);
    const scores = new Float64Array(P), cos = new Float32Array(P * half), sin = new Float32Array(P * half);
    for (let p = 0; p < P; p++) {
      for (let i = 0; i < half; i++) {
        const angle = p * Math.pow(ROPE_THETA, (-2 * i) / d);
        cos[p * half + i] = Math.cos(angle);
        sin[p * half + i] = Math.sin(angle);
      }
    }
    return (v, out) => {
      product(v, P, D, qkv.data, 3 * D, all);
      for (let p = 0; p < P; p++) { // queries and keys: the first 2 * heads groups of d
        for (let group = 0; group < 2 * heads; group++) {
          for (let i = 0, at = p * 3 * D + group * d; i < half; i++, at++) {
            const first = all[at], second = all[at + half], c = cos[p * half + i], s = sin[p * half + i];
            all[at] = first * c - second * s;
            all[at + half] = second * c + first * s;
          }
        }
      }
      mixed.fill(0);
      for (let head = 0; head < heads; head++) {
        for (let p = 0; p < P; p++) {
          let most = -Infinity, total = 0;
          for (let s = 0; s < P; s++) {
            let dot = 0;
            for (let i = 0, q = p * 3 * D + head * d, k = s * 3 * D + D + head * d; i < d; i++) dot += all[q + i] * all[k + i];
            scores[s] = dot / Math.sqrt(d);
            if (scores[s] > most) most = scores[s];
          }
          for (let s = 0; s < P; s++) total += scores[s] = Math.exp(scores[s] - most);
          for (let s = 0; s < P; s++) {
            const weight = scores[s] / total;
            for (let i = 0, to = p * D + head * d, from = s * 3 * D + 2 * D + head * d; i < d; i++) mixed[to + i] += weight * all[from + i];
          }
        }
      }
      product(mixed, P, D, o.data, D, out);
    };
  }

  // A post-norm block: v = rms(v + mix(v)); v = rms(v + SwiGLU(v)), in place. MLP mixing works, and normalises, along positions.
  function block(tensor, prefix, config, P) {
    const D = config.width, change = new Float32Array(P * D), turned = new Float32Array(P * D);
    const get = (name) => tensor(`${prefix}.${name}.weight`);
    const mlp = swiglu(get("mlp.gate_up_proj"), get("mlp.down_proj"), P);
    let mix;
    if (config.mixing === "mlp") {
      const along = swiglu(get("mlp_t.gate_up_proj"), get("mlp_t.down_proj"), D);
      mix = (v) => {
        transpose(v, P, D, turned);
        along(turned, change);
        addRms(turned, change, D, P);
        transpose(turned, D, P, v);
      };
    } else {
      const attend = attention(get("self_attn.qkv_proj"), get("self_attn.o_proj"), P, config.heads);
      mix = (v) => {
        attend(v, change);
        addRms(v, change, P, D);
      };
    }
    return (v) => {
      mix(v);
      mlp(v, change);
      addRms(v, change, P, D);
    };
  }

  // --- weights ---

  // {name: {shape, data}} of a sidecar. Bytes are float32, little endian, as every browser's Float32Array is.
  function decode(weights) {
    const text = atob(weights.data), bytes = new Uint8Array(text.length), tensors = {};
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const total = weights.tensors.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    if (bytes.length !== 4 * total) throw new Error(`weights of ${weights.run}: ${bytes.length} bytes, expected ${4 * total}; build the book again`);
    let at = 0;
    for (const [name, shape] of weights.tensors) {
      const size = shape.reduce((a, b) => a * b, 1);
      tensors[name] = { shape, data: new Float32Array(bytes.buffer, 4 * at, size) };
      at += size;
    }
    return tensors;
  }

  // --- the model ---

  // A runnable model of a sidecar's weights. A state is {h, l}, each (P, D); functions return new states and change none.
  rrm.model = function (weights) {
    const config = weights.config, tensors = decode(weights), D = config.width, P = config.prefix + config.side ** 2, V = config.side + 2;
    const tensor = (name) => {
      if (!tensors[name]) throw new Error(`weights of ${weights.run}: no tensor ${name}; build the book again`);
      return tensors[name];
    };
    const level = (name, layers) => {
      const blocks = Array.from({ length: layers }, (_, i) => block(tensor, `inner.${name}.layers.${i}`, config, P));
      return (v) => blocks.forEach((apply) => apply(v));
    };
    const L = level("L_level", config.L_layers), H = config.H_layers ? level("H_level", config.H_layers) : L;
    const schedule = ("L".repeat(config.L_cycles) + "H").repeat(config.H_cycles);

    // x (P, D) of token ids (cells): sqrt(D) times the puzzle embedding, padded with zeros to the prefix, and the tokens'.
    function embed(tokens) {
      const x = new Float32Array(P * D), table = tensor("inner.embed_tokens.embedding_weight").data;
      x.set(tensor("inner.puzzle_emb.weights").data);
      tokens.forEach((token, i) => x.set(table.subarray(token * D, (token + 1) * D), (config.prefix + i) * D));
      for (let i = 0; i < x.length; i++) x[i] *= Math.sqrt(D);
      return x;
    }

    // The start state: one stored vector for z_H and one for z_L at every position, plus Gaussian noise of deviation `sigma`
    // on every entry, drawn from `seed` (z_H first, row by row).
    function start(sigma = 0, seed = 0) {
      const repeat = (name) => Float32Array.from({ length: P * D }, (_, i) => tensor(name).data[i % D]);
      const state = { h: repeat("inner.H_init"), l: repeat("inner.L_init") };
      if (sigma) {
        const draw = rrm.normal(seed);
        for (const part of [state.h, state.l]) for (let i = 0; i < part.length; i++) part[i] += sigma * draw();
      }
      return state;
    }

    // One update: "L" sets z_L = f(z_L + z_H + x), "H" sets z_H = f(z_H + z_L).
    function update(which, state, x) {
      const v = new Float32Array(P * D), { h, l } = state;
      if (which === "L") {
        for (let i = 0; i < v.length; i++) v[i] = l[i] + (h[i] + x[i]);
        L(v);
        return { h, l: v };
      }
      for (let i = 0; i < v.length; i++) v[i] = h[i] + l[i];
      H(v);
      return { h: v, l };
    }

    // The state after one segment.
    function segment(state, x) {
      for (const which of schedule) state = update(which, state, x);
      return state;
    }

    // {logits (cells, V), q: [q_halt, q_continue], answer: token ids (cells), margin: what halting compares with 0}.
    function readout(state) {
      const all = new Float32Array(P * V), head = tensor("inner.q_head.weight").data, q = [...tensor("inner.q_head.bias").data];
      product(state.h, P, D, tensor("inner.lm_head.weight").data, V, all);
      for (let i = 0; i < D; i++) for (const j of [0, 1]) q[j] += state.h[i] * head[j * D + i];
      const logits = all.subarray(config.prefix * V), answer = [];
      for (let i = 0; i < P - config.prefix; i++) {
        let best = 0;
        for (let v = 1; v < V; v++) if (logits[i * V + v] > logits[i * V + best]) best = v;
        answer.push(best);
      }
      return { logits, q, answer, margin: config.model === "hrm" ? q[0] - q[1] : q[0] };
    }

    return { config, schedule, positions: P, embed, start, update, segment, readout, halts: (read) => read.margin > 0 };
  };

  // Euclidean distance of two states' parts over all positions and channels: the drift of a segment.
  rrm.distance = function (now, before) {
    let squares = 0;
    for (let i = 0; i < now.length; i++) squares += (now[i] - before[i]) ** 2;
    return Math.sqrt(squares);
  };

  // --- chance ---

  // A generator of numbers in [0, 1) with 32 bits of state (a Weyl sequence through an integer hash), the same in every browser.
  rrm.uniform = function (seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
    };
  };

  // Standard normal numbers of a seed (Box and Muller).
  rrm.normal = function (seed) {
    const draw = rrm.uniform(seed);
    let spare = null;
    return () => {
      if (spare !== null) {
        const out = spare;
        spare = null;
        return out;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - draw())), angle = 2 * Math.PI * draw();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  };
})();
