/** The builds of onnxruntime-web: one for WebGPU, a smaller one for WASM alone. */

import type { InferenceSession } from 'onnxruntime-web/wasm';
import webgpuScript from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import webgpuBinary from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasmScript from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmBinary from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';

import type { RuntimeInfo } from './messages';

/** Beyond this many threads, pictures of a screen's size get no faster. */
const MOST_THREADS = 8;

type Ort = typeof import('onnxruntime-web/wasm');

/** A loaded onnxruntime, and what its sessions run on. */
export interface Backend {
  readonly ort: Ort;
  readonly provider: 'webgpu' | 'wasm';
  readonly info: RuntimeInfo;
}

/** Which backend to take: the best there is, or, to compare them, one by name. */
export type Wish = 'best' | 'webgpu' | 'wasm';

export async function hasWebGPU(wish: Wish): Promise<boolean> {
  if (wish === 'wasm') return false;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  // A graphics card imitated by the processor is slower than WASM.
  return adapter != null && (wish === 'webgpu' || !adapter.info?.isFallbackAdapter);
}

export async function loadWebGPU(): Promise<Backend> {
  const ort = await import('onnxruntime-web/webgpu');
  const threads = configure(ort, webgpuScript, webgpuBinary);
  return { ort, provider: 'webgpu', info: { label: 'WebGPU', threads } };
}

/** @param note what people should know of why it is WASM. */
export async function loadWasm(note: string): Promise<Backend> {
  const ort = await import('onnxruntime-web/wasm');
  const threads = configure(ort, wasmScript, wasmBinary);
  const label = `WASM, ${threads === 1 ? 'one thread' : `${threads} threads`}${note}`;
  return { ort, provider: 'wasm', info: { label, threads } };
}

export function openSession(
  { ort }: Backend,
  bytes: Uint8Array,
  provider: 'webgpu' | 'wasm',
): Promise<InferenceSession> {
  const errorsAlone = 3;
  return ort.InferenceSession.create(bytes, {
    executionProviders: [provider],
    logSeverityLevel: errorsAlone,
  });
}

function configure({ env }: Ort, script: string, binary: string): number {
  const threads = crossOriginIsolated
    ? Math.min(MOST_THREADS, navigator.hardwareConcurrency)
    : 1;
  env.wasm.numThreads = threads;
  env.wasm.wasmPaths = { mjs: absolute(script), wasm: absolute(binary) };
  env.logLevel = 'error';
  return threads;
}

function absolute(url: string): string {
  return new URL(url, location.href).href;
}
