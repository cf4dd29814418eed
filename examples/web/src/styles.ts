/** The styles to choose from: those bundled with faststyle, and files of the user's. */

import type { ModelFile } from './messages';

export interface Style extends ModelFile {
  /** Address of a small picture; a style without one is shown by its name alone. */
  readonly thumbnail?: string;
}

const models = import.meta.glob<string>(
  ['../../../faststyle/styles/*.onnx', '!../../../faststyle/styles/*-{int8,quality}.onnx'],
  { query: '?url', import: 'default', eager: true },
);
const thumbnails = import.meta.glob<string>('./thumbnails/*.jpg', {
  query: '?url',
  import: 'default',
  eager: true,
});

export const bundledStyles: readonly Style[] = Object.entries(models).map(([path, url]) => {
  const name = path.replace(/^.*\/(.*)\.onnx$/, '$1');
  const thumbnail = thumbnails[`./thumbnails/${name}.jpg`];
  return { name, url: new URL(url, location.href).href, thumbnail };
});
