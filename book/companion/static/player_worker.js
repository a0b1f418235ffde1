// A model in a Web Worker: ONNX Runtime Web on one thread, the graph of one segment, the weights. No DOM, no network.
// The page hands over one package in pieces (rrm_companion.inpage.package) and asks by {id, act, ...}; answers are {id, ...}.
"use strict";
const pieces = [];
let runtime, session, known, tensors, state, draw;

// The bytes of base64.
function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

// The bytes of a file that was deflated.
async function unpacked(file) {
  const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// float32 of bfloat16, whose high bytes stand first, then the low ones: a bfloat16 is the upper half of a float32.
function widened(halves) {
  const n = halves.length / 2, words = new Uint32Array(n);
  for (let i = 0; i < n; i++) words[i] = (halves[i] << 24) | (halves[n + i] << 16);
  return new Float32Array(words.buffer);
}

// Standard normal numbers of a seed: a Weyl sequence through an integer hash, then Box and Muller.
function normal(seed) {
  let at = seed >>> 0, spare = null;
  const uniform = () => {
    at = (at + 0x9e3779b9) >>> 0;
    let z = Math.imul(at ^ (at >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
  };
  return () => {
    if (spare !== null) { const out = spare; spare = null; return out; }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

const sum = (values, of) => values.reduce((total, v) => total + of(v), 0);

const ACTS = {
  piece({ text }) { pieces.push(bytes(text)); return {}; },

  // Unpack everything and build the session: ready for `begin`.
  async build({ about }) {
    const began = performance.now(), whole = new Uint8Array(sum(pieces, (p) => p.length));
    let at = 0;
    for (const piece of pieces.splice(0)) { whole.set(piece, at); at += piece.length; }
    if (whole.length !== about.bytes) throw new Error(`${whole.length} bytes came, expected ${about.bytes}`);
    at = 0;
    const [code, wasm, graph, halves] = await Promise.all(["runtime", "wasm", "graph", "weights"].map((name) => unpacked(whole.subarray(at, (at += about.files[name])))));
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    runtime = await import(address);
    URL.revokeObjectURL(address);
    Object.assign(runtime.env.wasm, { numThreads: 1, wasmBinary: wasm.buffer });
    tensors = widened(halves);
    known = about;
    session = await runtime.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData: [{ path: "weights", data: new Uint8Array(tensors.buffer) }] });
    return { took: performance.now() - began };
  },

  // The start state of a puzzle, token ids: one stored vector for z_H and one for z_L at every position.
  begin({ tokens, seed }) {
    const place = (name) => known.tensors[name].map((byte) => byte / 2), [start, end] = place("inner.H_init"), [from] = place("inner.L_init"), width = end - start, all = known.positions * width;
    const repeat = (first) => Float32Array.from({ length: all }, (_, i) => tensors[first + (i % width)]);
    state = { h: repeat(start), l: repeat(from), tokens: Int32Array.from(tokens), shape: [1, known.positions, width] };
    draw = normal(seed);
    return {};
  },

  // Gaussian noise on every entry of both states, `sigma` times their root mean square.
  kick({ sigma }) {
    for (const part of [state.h, state.l]) {
      const size = sigma * Math.sqrt(sum(part, (v) => v * v) / part.length);
      for (let i = 0; i < part.length; i++) part[i] += size * draw();
    }
    return {};
  },

  // One segment: the answer (0 where no digit), what halting compares with 0, the drift of z_H.
  async segment() {
    const began = performance.now(), now = state, { Tensor } = runtime, of = (data) => new Tensor("float32", data, now.shape);
    const out = await session.run({ z_h: of(now.h), z_l: of(now.l), tokens: new Tensor("int32", now.tokens, [1, now.tokens.length]) });
    const h = out.z_h_next.data, logits = out.logits.data, kinds = logits.length / now.tokens.length;
    const answer = Array.from(now.tokens, (_, cell) => {
      const row = logits.subarray(cell * kinds, (cell + 1) * kinds);
      return Math.max(0, row.indexOf(Math.max(...row)) - 1);
    });
    let squares = 0;
    for (let i = 0; i < h.length; i++) squares += (h[i] - now.h[i]) ** 2;
    if (!Number.isFinite(squares)) throw new Error("the state is no longer finite");
    Object.assign(now, { h, l: out.z_l_next.data });
    return { answer, halt: out.q.data[0], drift: Math.sqrt(squares), took: performance.now() - began };
  },

  state() { return { h: state.h, l: state.l }; },
};

// One at a time, in the order asked: a kick waits for the segment before it.
let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id: data.id, ...(await ACTS[data.act](data)) });
    } catch (error) {
      self.postMessage({ id: data.id, error: String((error && error.message) || error) });
    }
  });
};
