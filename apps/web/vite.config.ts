import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/**
 * The page is served by a node under `Content-Security-Policy: default-src 'self'`, from wherever that node
 * puts it: addresses are relative, and nothing is inlined, neither scripts nor styles nor small images.
 */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react()],
  build: {
    outDir: process.env['PULSEMESH_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // How long a plugin took on a busy machine is nothing to tell whoever starts the program.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
