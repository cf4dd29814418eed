import { defaultClientConditions, defineConfig } from 'vite';

// Only a page that is isolated from others may share memory between threads.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

// Some hosts send .mjs files without the type of JavaScript, and browsers refuse those.
const output = {
  assetFileNames: ({ names }: { names: string[] }) =>
    names.some((name) => name.endsWith('.mjs'))
      ? 'assets/[name]-[hash].js'
      : 'assets/[name]-[hash][extname]',
};

export default defineConfig({
  base: './',
  resolve: {
    // The build of onnxruntime-web whose wasm files are named by us, see src/backends.ts.
    conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions],
  },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  worker: { format: 'es', rolldownOptions: { output } },
  build: {
    target: 'es2022',
    // An asset inlined as a data: URL would be refused by the page's security policy.
    assetsInlineLimit: 0,
    rolldownOptions: { output },
  },
  server: {
    headers: isolation,
    fs: { allow: ['../..'] }, // the bundled styles and photos
  },
  preview: { headers: isolation },
});
