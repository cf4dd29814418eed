/** The camera: small frames to paint as they come, and one large photo. */

import { UserError } from './errors';
import type { Pixels } from './messages';
import { context } from './photo';

/** What most cameras of phones and laptops give without strain. */
const IDEAL = { width: { ideal: 1280 }, height: { ideal: 720 } };

export class Camera {
  readonly #video: HTMLVideoElement;
  readonly #stream: MediaStream;

  private constructor(video: HTMLVideoElement, stream: MediaStream) {
    this.#video = video;
    this.#stream = stream;
  }

  /** @throws UserError: there is no camera, or the user does not allow it. */
  static async open(): Promise<Camera> {
    if (!navigator.mediaDevices)
      throw new UserError('The camera needs a page that is served over https');
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: IDEAL });
      const video = document.createElement('video');
      Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
      await video.play();
      return new Camera(video, stream);
    } catch (error) {
      const denied = error instanceof DOMException && error.name === 'NotAllowedError';
      throw new UserError(denied ? 'The camera was not allowed' : 'No camera was found', {
        cause: error,
      });
    }
  }

  /** Return what the camera sees now, its longer side at most `maxSide`. */
  frame(maxSide: number): Pixels {
    const drawing = this.#draw(maxSide);
    const { width, height } = drawing.canvas;
    return drawing.getImageData(0, 0, width, height) as Pixels;
  }

  /** Return what the camera sees now as a file, as large as it gives it. */
  photo(): Promise<Blob> {
    return this.#draw(Infinity).canvas.convertToBlob({ type: 'image/png' });
  }

  close(): void {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#video.srcObject = null;
  }

  #draw(maxSide: number): OffscreenCanvasRenderingContext2D {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, maxSide / Math.max(videoWidth, videoHeight));
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    const drawing = context(new OffscreenCanvas(width, height));
    if (this.#facesUser()) drawing.setTransform(-1, 0, 0, 1, width, 0);
    drawing.drawImage(this.#video, 0, 0, width, height);
    return drawing;
  }

  /** People expect to see themselves as in a mirror. */
  #facesUser(): boolean {
    return this.#stream.getVideoTracks()[0]?.getSettings().facingMode !== 'environment';
  }
}
