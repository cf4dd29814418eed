/** One open model: checked on opening, and run on pictures. */

import type { InferenceSession } from 'onnxruntime-web/wasm';

import { type Backend, openSession } from './backends';
import { UserError } from './errors';
import type { Pixels } from './messages';

// What faststyle's contract calls them.
const INPUT = 'image';
const OUTPUT = 'stylized';

/** Mean difference of WebGPU from WASM, in levels of 255, from which WebGPU is not trusted. */
const LARGEST_MEAN = 2;

const SAMPLE = { width: 72, height: 56 };

export class Network {
  readonly #backend: Backend;
  readonly #session: InferenceSession;

  private constructor(backend: Backend, session: InferenceSession) {
    this.#backend = backend;
    this.#session = session;
  }

  /**
   * Open a model.
   *
   * @throws UserError: it does not follow faststyle's contract.
   * @throws Error: this backend cannot run it, or WebGPU computes something else than WASM.
   */
  static async open(backend: Backend, bytes: Uint8Array, name: string): Promise<Network> {
    const session = await openSession(backend, bytes, backend.provider);
    checkContract(session, name);
    const network = new Network(backend, session);
    if (backend.provider === 'webgpu') await network.#compareWithWasm(bytes);
    return network;
  }

  /** Paint a picture; its transparency remains. */
  async paint({ data, width, height }: Pixels): Promise<Pixels> {
    const image = new this.#backend.ort.Tensor('uint8', toRgb(data), [1, height, width, 3]);
    const { [OUTPUT]: stylized } = await this.#session.run({ [INPUT]: image });
    return { data: toRgba((await stylized!.getData()) as Uint8Array, data), width, height };
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  async #compareWithWasm(bytes: Uint8Array): Promise<void> {
    const reference = new Network(
      this.#backend,
      await openSession(this.#backend, bytes, 'wasm'),
    );
    const [expected, actual] = [await reference.paint(sample()), await this.paint(sample())];
    await reference.close();
    const difference = meanDifference(expected.data, actual.data);
    if (difference > LARGEST_MEAN) throw new Error(`WebGPU is off by ${difference} levels`);
  }
}

function checkContract(session: InferenceSession, name: string): void {
  const refuse = (reason: string) => new UserError(`${name}: ${reason}`);
  const { inputNames: inputs, outputNames: outputs } = session;
  if (inputs.length !== 1 || inputs[0] !== INPUT)
    throw refuse(`takes ${list(inputs)}, where this page gives “${INPUT}” alone`);
  if (outputs.length !== 1 || outputs[0] !== OUTPUT)
    throw refuse(`gives ${list(outputs)}, where this page takes “${OUTPUT}” alone`);
  const input = session.inputMetadata[0]!;
  if (!input.isTensor || input.type !== 'uint8' || input.shape.at(3) !== 3)
    throw refuse('takes something else than uint8 N×H×W×3, which faststyle exports by default');
  const [, height, width] = input.shape;
  if (typeof height === 'number' || typeof width === 'number')
    throw refuse(`takes pictures of ${width} × ${height} alone, not of any size`);
}

function list(names: readonly string[]): string {
  return names.map((name) => `“${name}”`).join(', ');
}

function toRgb(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}

function toRgba(rgb: Uint8Array, alphaOf: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(alphaOf.length);
  for (let from = 0, to = 0; to < rgba.length; from += 3, to += 4) {
    rgba[to] = rgb[from]!;
    rgba[to + 1] = rgb[from + 1]!;
    rgba[to + 2] = rgb[from + 2]!;
    rgba[to + 3] = alphaOf[to + 3]!;
  }
  return rgba;
}

/** Draw a small picture with edges and gradients. */
function sample(): Pixels {
  const { width, height } = SAMPLE;
  const data = new Uint8ClampedArray(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const inside = Math.hypot(x - width / 2, y - height / 2) < height / 3;
    data.set([inside ? 230 : x * 3, y * 4, inside ? 40 : 255 - x * 2, 255], pixel * 4);
  }
  return { data, width, height };
}

function meanDifference(first: Uint8ClampedArray, second: Uint8ClampedArray): number {
  const sum = first.reduce((total, value, at) => total + Math.abs(value - second[at]!), 0);
  return sum / first.length;
}
