/** Pictures as files, and as pixels in sRGB. */

import { UserError } from './errors';
import type { Pixels } from './messages';

/** A picture as it was given: a file, and the name to call it by. */
export interface PhotoFile {
  readonly blob: Blob;
  readonly name: string;
}

export interface Photo {
  readonly pixels: Pixels;
  /** Size of the picture before it was scaled down. */
  readonly original: { readonly width: number; readonly height: number };
}

/**
 * Decode a picture, upright and in sRGB, its longer side at most `maxSide`.
 *
 * @throws UserError: it is no picture, or there is not enough memory for it.
 */
export async function readPhoto({ blob, name }: PhotoFile, maxSide: number): Promise<Photo> {
  const bitmap = await decode(blob, name);
  try {
    const { width, height } = bitmap;
    const scale = Math.min(1, maxSide / Math.max(width, height));
    const pixels = draw(bitmap, atLeastOne(width * scale), atLeastOne(height * scale));
    return { pixels, original: { width, height } };
  } catch (error) {
    const size = `${bitmap.width} × ${bitmap.height}`;
    throw new UserError(`${name}: not enough memory for ${size}: choose a smaller size`, {
      cause: error,
    });
  } finally {
    bitmap.close();
  }
}

/** Encode pixels as a PNG file. */
export async function toPng({ data, width, height }: Pixels): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  context(canvas).putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Return a file's name without its folder and its last extension. */
export function stem(name: string): string {
  return name.replace(/^.*\//, '').replace(/(?<=.)\.[^.]*$/, '');
}

/** A canvas in the processor's memory, whose pixels are exactly what was put there. */
export function context(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const drawing = canvas.getContext('2d', { colorSpace: 'srgb', willReadFrequently: true });
  if (!drawing) throw new Error('no canvas of this size');
  return drawing;
}

async function decode(blob: Blob, name: string): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, {
      imageOrientation: 'from-image',
      colorSpaceConversion: 'default', // photos with a profile become sRGB, others stay as they are
      premultiplyAlpha: 'none',
    });
  } catch (error) {
    throw new UserError(`${name}: not a picture that this browser can read`, { cause: error });
  }
}

function draw(bitmap: ImageBitmap, width: number, height: number): Pixels {
  const drawing = context(new OffscreenCanvas(width, height));
  drawing.imageSmoothingQuality = 'high';
  drawing.drawImage(bitmap, 0, 0, width, height);
  return drawing.getImageData(0, 0, width, height) as Pixels;
}

function atLeastOne(side: number): number {
  return Math.max(1, Math.round(side));
}
