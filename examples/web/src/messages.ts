/** What the page and its worker say to each other. */

/** Pixels as the page has them: RGBA, row by row. */
export interface Pixels {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** A model file: what people call it, and where it is fetched from. */
export interface ModelFile {
  readonly name: string;
  readonly url: string;
}

/** What computes the pictures: as people read it, and by how many threads. */
export interface RuntimeInfo {
  readonly label: string;
  readonly threads: number;
}

/** What a model says of itself; empty where it does not. */
export interface ModelCard {
  readonly style: string;
  readonly description: string;
  readonly author: string;
  readonly source: string;
}

export type Request =
  | { readonly kind: 'open'; readonly model: ModelFile }
  | { readonly kind: 'paint'; readonly model: ModelFile; readonly photo: Pixels };

export interface Opened {
  readonly card: ModelCard;
}

export interface Painted extends Opened {
  readonly painting: Pixels;
  readonly runtime: RuntimeInfo;
  /** How long the network took. */
  readonly milliseconds: number;
}

export type Reply =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'opened'; readonly result: Opened }
  | { readonly kind: 'painted'; readonly result: Painted }
  | { readonly kind: 'failed'; readonly text: string };
