/** What an ONNX file says of itself, read without opening a session. */

import { UserError } from './errors';
import type { ModelCard } from './messages';

/** The newest version of faststyle's contract that this page understands. */
const CONTRACT_VERSION = 2;

// Fields of ONNX's ModelProto and StringStringEntryProto, and protobuf's wire types.
const GRAPH = 7;
const METADATA = 14;
const KEY = 1;
const VALUE = 2;
const [VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES] = [0, 1, 2, 5];

/**
 * Read the card of a model.
 *
 * @throws UserError: it is no ONNX file, or one of a newer faststyle.
 */
export function readModelCard(bytes: Uint8Array, name: string): ModelCard {
  const metadata = readMetadata(bytes, name);
  if (Number(metadata.get('contract_version') ?? CONTRACT_VERSION) > CONTRACT_VERSION)
    throw new UserError(`${name}: made by a newer faststyle than this page knows`);
  return {
    style: metadata.get('style') ?? '',
    description: metadata.get('description') ?? '',
    author: metadata.get('author') ?? '',
    source: metadata.get('source') ?? '',
  };
}

function readMetadata(bytes: Uint8Array, name: string): Map<string, string> {
  const metadata = new Map<string, string>();
  let hasGraph = false;
  try {
    for (const [field, content] of fields(bytes)) {
      hasGraph ||= field === GRAPH;
      if (field === METADATA) {
        const entry = new Map(fields(content));
        metadata.set(text(entry.get(KEY)), text(entry.get(VALUE)));
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    hasGraph = false;
  }
  if (!hasGraph) throw new UserError(`${name}: not an ONNX file`);
  return metadata;
}

function text(content: Uint8Array | undefined): string {
  return new TextDecoder().decode(content);
}

/**
 * Walk over the fields of a protobuf message.
 *
 * @throws RangeError: it is none.
 */
function* fields(bytes: Uint8Array): Generator<[number, Uint8Array]> {
  let at = 0;
  const readVarint = () => {
    for (let value = 0, unit = 1; at < bytes.length; unit *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
    throw new RangeError('a number is cut off');
  };
  const measure = (wireType: number) => {
    if (wireType === LENGTH) return readVarint();
    if (wireType === FOUR_BYTES) return 4;
    if (wireType === EIGHT_BYTES) return 8;
    throw new RangeError(`no wire type ${wireType}`);
  };
  while (at < bytes.length) {
    const tag = readVarint();
    const start = at;
    if (tag % 8 === VARINT) {
      readVarint();
      yield [Math.floor(tag / 8), bytes.subarray(start, at)];
      continue;
    }
    const length = measure(tag % 8);
    if (at + length > bytes.length) throw new RangeError('a field is cut off');
    yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
    at += length;
  }
}
