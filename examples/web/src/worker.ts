/** The worker that holds onnxruntime and one open model, so that the page never freezes. */

import { type Backend, hasWebGPU, loadWasm, loadWebGPU, type Wish } from './backends';
import { explain, UserError } from './errors';
import type { ModelCard, ModelFile, Painted, Pixels, Reply, Request } from './messages';
import { readModelCard } from './model-card';
import { Network } from './network';

interface OpenModel {
  readonly url: string;
  readonly card: ModelCard;
  readonly network: Network;
}

// One model at a time: each keeps the memory of the largest picture it has painted.
let model: OpenModel | undefined;
let backend: Backend | undefined;

function tell(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}

function progress(text: string): void {
  tell({ kind: 'progress', text });
}

async function getBackend(): Promise<Backend> {
  if (backend) return backend;
  progress('Loading the runtime');
  if (!(await hasWebGPU(self.name as Wish))) return (backend = await loadWasm(''));
  try {
    return (backend = await loadWebGPU());
  } catch {
    return leaveWebGPU();
  }
}

async function leaveWebGPU(): Promise<Backend> {
  model = undefined;
  return (backend = await loadWasm(' (WebGPU failed)'));
}

async function openModel(file: ModelFile): Promise<OpenModel> {
  if (model?.url === file.url) return model;
  const current = await getBackend();
  progress(`Loading the style ${file.name}`);
  const bytes = await download(file);
  const card = readModelCard(bytes, file.name);
  await model?.network.close();
  const network = await openNetwork(current, bytes, file.name);
  return (model = { url: file.url, card, network });
}

async function openNetwork(current: Backend, bytes: Uint8Array, name: string): Promise<Network> {
  try {
    return await Network.open(current, bytes, name);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (current.provider === 'webgpu') return Network.open(await leaveWebGPU(), bytes, name);
    throw new UserError(`${name}: onnxruntime cannot open it`, { cause: error });
  }
}

async function download({ name, url }: ModelFile): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new UserError(`${name}: could not be fetched`, { cause: error });
  }
}

async function paint(file: ModelFile, photo: Pixels): Promise<Painted> {
  const opened = await openModel(file);
  progress(`Painting ${photo.width} × ${photo.height}`);
  const start = performance.now();
  try {
    const painting = await opened.network.paint(photo);
    const milliseconds = performance.now() - start;
    return { painting, milliseconds, card: opened.card, runtime: (await getBackend()).info };
  } catch (error) {
    if (backend?.provider !== 'webgpu') throw error;
    await leaveWebGPU();
    return paint(file, photo);
  }
}

async function answer(request: Request): Promise<void> {
  if (request.kind === 'open') {
    const { card } = await openModel(request.model);
    return tell({ kind: 'opened', result: { card } });
  }
  const result = await paint(request.model, request.photo);
  tell({ kind: 'painted', result }, [result.painting.data.buffer]);
}

function describe(request: Request, error: unknown): string {
  if (request.kind === 'open' || error instanceof UserError) return explain(error);
  // Out of memory, onnxruntime throws anything, even a bare number.
  const size = `${request.photo.width} × ${request.photo.height}`;
  return `${size} could not be painted, most likely for lack of memory: choose a smaller size`;
}

self.onmessage = async ({ data: request }: MessageEvent<Request>) => {
  try {
    await answer(request);
  } catch (error) {
    console.debug(error);
    tell({ kind: 'failed', text: describe(request, error) });
  }
};
