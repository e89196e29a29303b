import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';

const builtins = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)]);

async function bundleForBrowser(entry: string) {
  await using bundle = await rolldown({
    input: fileURLToPath(new URL(entry, import.meta.url)),
    platform: 'browser',
    external: (id) => builtins.has(id),
    logLevel: 'silent',
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  const chunks = output.filter((file) => file.type === 'chunk');
  return {
    outside: chunks.flatMap((chunk) => chunk.imports),
    modules: chunks.flatMap((chunk) => chunk.moduleIds),
    bytes: chunks.reduce((sum, chunk) => sum + chunk.code.length, 0),
  };
}

describe('the entry for pages', () => {
  it('needs nothing of Node, and leaves out what only Node uses', async () => {
    const { outside, modules, bytes } = await bundleForBrowser('./browser.ts');
    expect(outside).toEqual([]);
    for (const name of [
      '/ws/',
      '/pino/',
      '/prom-client/',
      '/src/server/',
      '/src/proxy/',
      '/pac-resolver/',
      '/quickjs',
    ]) {
      expect(modules.filter((id) => id.includes(name))).toEqual([]);
    }
    expect(bytes).toBeLessThan(400_000);
  });
});
