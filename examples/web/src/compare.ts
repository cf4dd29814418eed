/** Photo and painting over each other, with a divider that is dragged or moved by keys. */

import type { Pixels } from './messages';

/** Where the divider stands at first, in percent from the left. */
const START = 35;
const STEP = 2;
const LARGE_STEP = 10;

export class Compare {
  readonly #stage: HTMLElement;
  readonly #divider: HTMLElement;
  readonly #photo: HTMLCanvasElement;
  readonly #painting: HTMLCanvasElement;
  #position = START;

  constructor(
    stage: HTMLElement,
    divider: HTMLElement,
    photo: HTMLCanvasElement,
    painting: HTMLCanvasElement,
  ) {
    this.#stage = stage;
    this.#divider = divider;
    this.#photo = photo;
    this.#painting = painting;
    this.#move(START);
    divider.addEventListener('keydown', (event) => this.#onKey(event));
    stage.addEventListener('pointerdown', (event) => this.#onDrag(event));
    stage.addEventListener('pointermove', (event) => {
      if (stage.hasPointerCapture(event.pointerId)) this.#follow(event);
    });
  }

  showPhoto(pixels: Pixels): void {
    this.#stage.style.setProperty('--width', String(pixels.width));
    this.#stage.style.setProperty('--height', String(pixels.height));
    show(this.#photo, pixels);
  }

  showPainting(pixels: Pixels): void {
    show(this.#painting, pixels);
  }

  #onDrag(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#stage.setPointerCapture(event.pointerId);
    this.#follow(event);
  }

  #follow(event: PointerEvent): void {
    const { left, width } = this.#stage.getBoundingClientRect();
    this.#move(((event.clientX - left) / width) * 100);
  }

  #onKey(event: KeyboardEvent): void {
    const targets: Record<string, number> = {
      ArrowLeft: this.#position - STEP,
      ArrowDown: this.#position - STEP,
      ArrowRight: this.#position + STEP,
      ArrowUp: this.#position + STEP,
      PageDown: this.#position - LARGE_STEP,
      PageUp: this.#position + LARGE_STEP,
      Home: 0,
      End: 100,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.#move(target);
  }

  #move(position: number): void {
    this.#position = Math.min(100, Math.max(0, position));
    this.#stage.style.setProperty('--divider', `${this.#position}%`);
    this.#divider.setAttribute('aria-valuenow', String(Math.round(this.#position)));
    this.#divider.setAttribute('aria-valuetext', `${Math.round(this.#position)} % photo`);
  }
}

function show(canvas: HTMLCanvasElement, { data, width, height }: Pixels): void {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
}
