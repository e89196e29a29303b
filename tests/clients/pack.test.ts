import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packAlone } from '../../tools/pack.ts';
import { startRelayWorld } from './relay-world.ts';

const run = promisify(execFile);
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const installMs = 240_000;

/** An empty project with one packed file installed, and npm packages beside it, as a stranger has it. */
async function installAlone(file: string, project: string, beside: readonly string[] = []): Promise<void> {
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }');
  const npm = await realpath(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  // What is needed was fetched once for the checkout, so that npm's cache has it.
  await run(process.execPath, [npm, 'install', '--prefer-offline', ...options, file, ...beside], { cwd: project });
}

/** libp2p and gossipsub as this checkout has them, so that npm's cache does, too. */
async function stockLibp2p(): Promise<string[]> {
  const manifest = await readFile(join(root, 'packages', 'overlay', 'package.json'), 'utf8');
  const { devDependencies } = JSON.parse(manifest) as { devDependencies: Record<string, string> }; // our own file
  return Object.entries(devDependencies).map(([name, version]) => `${name}@${version}`);
}

async function exampleOf(name: string, language: string): Promise<string> {
  const readme = await readFile(join(root, 'packages', name, 'README.md'), 'utf8');
  return new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(readme)?.[1] ?? '';
}

/** Runs a file in the project with the stripping of types switched off. */
async function runPlain(project: string, file: string, args: readonly string[] = []): Promise<string> {
  const { stdout } = await run(process.execPath, ['--no-experimental-strip-types', file, ...args], { cwd: project });
  return stdout;
}

/** What the compiler says about a file in the project: the project's own packages, only Node's types lent. */
async function typeFaults(project: string, file: string, lib = 'es2024,esnext.disposable'): Promise<string> {
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', lib];
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')];
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const command = run(process.execPath, [tsc, '--noEmit', ...options, ...types, file], { cwd: project });
  const { stdout } = await command.catch((error: { stdout: string }) => error);
  return stdout;
}

describe('packages that stand alone', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'pulsemesh-alone-'));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  it(
    'the link, in an empty project, runs the example of its README and type-checks',
    async () => {
      const file = await packAlone('link', join(scratch, 'packs'));
      const project = join(scratch, 'with-link');
      await installAlone(file, project);
      expect(await readdir(join(project, 'node_modules', '@pulsemesh'))).toEqual(['link']);
      const example = await exampleOf('link', 'ts');
      expect(example).not.toBe('');
      await writeFile(join(project, 'example.js'), example);
      await runPlain(project, 'example.js');
      await writeFile(join(project, 'example.ts'), example);
      expect(await typeFaults(project, 'example.ts')).toBe('');
    },
    installMs,
  );

  it(
    "the relay's client, in an empty project, talks through a relay and type-checks",
    async () => {
      await using world = await startRelayWorld({ hasTls: false });
      const file = await packAlone('relay', join(scratch, 'packs'));
      const project = join(scratch, 'with-relay');
      await installAlone(file, project);
      await writeFile(join(project, 'example.js'), await exampleOf('relay', 'js'));
      expect(await runPlain(project, 'example.js', [world.url, world.identity.peerId])).toBe('a note to self\n');
      await writeFile(
        join(project, 'types.ts'),
        `import { connectLink, createSystemDependencies, identityOfSeed, type Link } from '@pulsemesh/relay/agent';
         import { connectRelay, createMemoryInboxState, type RelayClient } from '@pulsemesh/relay/client';
         const deps = createSystemDependencies();
         const identity = identityOfSeed(deps.random.bytes(32));
         export const link: Link = await connectLink({ url: 'http://localhost', identity, software: 'types' }, deps);
         export const client: RelayClient<never, string> = await connectRelay(
           { relays: [{ name: 'one', link }], identity, sealer: null, inboxState: createMemoryInboxState() }, deps);
         // @ts-expect-error a link is not a string: the types are there
         export const wrong: string = link;`,
      );
      expect(await typeFaults(project, 'types.ts')).toBe('');
    },
    installMs,
  );

  it(
    'the overlay, in an empty project beside stock libp2p, runs the example of its README and type-checks',
    async () => {
      const file = await packAlone('overlay', join(scratch, 'packs'));
      const project = join(scratch, 'with-overlay');
      await installAlone(file, project, await stockLibp2p());
      expect(await readdir(join(project, 'node_modules', '@pulsemesh'))).toEqual(['overlay']);
      const example = await exampleOf('overlay', 'ts');
      expect(example).not.toBe('');
      await writeFile(join(project, 'example.js'), example);
      await runPlain(project, 'example.js');
      await writeFile(
        join(project, 'types.ts'),
        `${example}
        import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
        export const inItsPlace: (components: GossipSubComponents) => GossipSub = upsycle();
        // @ts-expect-error a service is not a string: the types are there
        export const wrong: string = upsycle();`,
      );
      // libp2p's own declarations speak of the DOM's events.
      expect(await typeFaults(project, 'types.ts', 'es2024,esnext.disposable,dom')).toBe('');
    },
    installMs,
  );

  it('refuses a name that is no pack', async () => {
    await expect(packAlone('vitals', scratch)).rejects.toThrow('There are: link, relay, overlay');
  });
});
