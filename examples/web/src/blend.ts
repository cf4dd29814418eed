import type { Pixels } from './messages';

/**
 * Blend a photo with its painting, rounding half up: 0 percent is exactly the photo, 100 the
 * painting.
 */
export function blend(photo: Pixels, painting: Pixels, percent: number): Pixels {
  if (percent === 100) return painting;
  const data = new Uint8ClampedArray(photo.data.length);
  for (let at = 0; at < data.length; at++) {
    const sum = photo.data[at]! * (100 - percent) + painting.data[at]! * percent;
    data[at] = Math.floor((sum + 50) / 100);
  }
  return { data, width: photo.width, height: photo.height };
}
