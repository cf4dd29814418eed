/** A plain static host for dist/, in a sub-folder, with or without the isolation headers. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const FOLDER = '/some/folder/';
const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Start serving, and return the page's address and how to stop. */
export async function serve({ isolated }) {
  const server = createServer(async (request, response) => {
    const headers = isolated ? ISOLATION : {};
    try {
      const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
      if (!path.startsWith(FOLDER)) throw new Error('outside of the folder');
      const file = join(DIST, normalize('/' + path.slice(FOLDER.length) || '/'));
      const name = file.endsWith('/') ? join(file, 'index.html') : file;
      const body = await readFile(name);
      const type = TYPES[extname(name)] ?? 'application/octet-stream';
      response.writeHead(200, { ...headers, 'Content-Type': type }).end(body);
    } catch {
      response.writeHead(404, headers).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  return { address: `http://127.0.0.1:${port}${FOLDER}`, stop: () => server.close() };
}
