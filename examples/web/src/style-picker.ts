/** The styles as a group of radio buttons with pictures. */

import type { Style } from './styles';

export class StylePicker {
  readonly #container: HTMLElement;
  readonly #end: HTMLElement;
  readonly #onChoose: () => void;
  #chosen: Style | undefined;

  /** @param end the element of the container that new styles are put before. */
  constructor(container: HTMLElement, end: HTMLElement, onChoose: () => void) {
    this.#container = container;
    this.#end = end;
    this.#onChoose = onChoose;
  }

  get chosen(): Style | undefined {
    return this.#chosen;
  }

  /** Add a style at the end, and choose it if asked to. */
  add(style: Style, { choose }: { choose: boolean }): void {
    const input = document.createElement('input');
    Object.assign(input, { type: 'radio', name: 'style', value: style.name, className: 'quiet' });
    input.addEventListener('change', () => {
      this.#chosen = style;
      this.#onChoose();
    });
    const label = document.createElement('label');
    label.append(input, tile(style));
    this.#container.insertBefore(label, this.#end);
    if (choose) input.click();
  }
}

/** Return a style's name as people write it. */
export function title({ name }: { readonly name: string }): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function tile(style: Style): HTMLElement {
  const element = document.createElement('span');
  element.className = 'tile';
  const name = document.createElement('span');
  name.className = 'name';
  name.textContent = title(style);
  element.append(thumbnail(style), name);
  return element;
}

function thumbnail({ thumbnail, name }: Style): HTMLElement {
  if (thumbnail) {
    return Object.assign(new Image(), { src: thumbnail, alt: '', className: 'thumbnail' });
  }
  const initial = document.createElement('span');
  initial.className = 'thumbnail initial';
  initial.ariaHidden = 'true';
  initial.textContent = name.charAt(0).toUpperCase();
  return initial;
}
