/**
 * `npm run pack -- link|relay|overlay [--to FOLDER]`: a package that stands alone, as the file that `npm pack` makes: JavaScript and
 * declarations, with the workspace packages it needs inside. Prints the file's path. See docs/decisions/0006-standing-alone.md.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';
import { isNode, parseSource, walk } from './sources.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scope = '@pulsemesh/';

interface Pack {
  /** Names of the package's own `exports`. What needs an engine or a test runner stays here. */
  readonly entries: readonly string[];
  /** What pages load as one file, by `<script type="module">`; null where pages have a bundler. */
  readonly page: string | null;
}

const packs: Readonly<Record<string, Pack>> = {
  link: { entries: ['.', './server', './doctor', './link.proto'], page: 'src/browser.ts' },
  relay: { entries: ['./client', './agent', './relay.proto'], page: 'src/page.ts' },
  overlay: { entries: ['.', './protocol'], page: null },
};

/** Of `exports` or `imports`: one file, or one for each condition. */
type Targets = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly exports: Targets;
  readonly imports?: Targets;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Builds and packs one; answers the path of the file in `to`. @throws when there is no such pack, or it does not compile. */
export async function packAlone(name: string, to: string): Promise<string> {
  const pack = packOf(name);
  const scratch = mkdtempSync(join(tmpdir(), 'pulsemesh-pack-'));
  try {
    const out = join(scratch, 'out');
    compile(scratch, out);
    const reached = reach(name, pack.entries, out);
    const stage = join(scratch, 'stage');
    writeStage(stage, name, pack.entries, reached, out);
    if (pack.page !== null) writeFileSync(join(stage, 'dist', 'page.js'), await bundlePage(name));
    mkdirSync(to, { recursive: true });
    const npm = [npmCli(), 'pack', '--json', '--ignore-scripts', '--pack-destination', resolve(to)];
    const report = JSON.parse(execFileSync(process.execPath, npm, { cwd: stage, encoding: 'utf8', stdio: 'pipe' }));
    return join(resolve(to), report[0].filename);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function packOf(name: string): Pack {
  const pack = packs[name];
  if (pack === undefined) throw new Error(`No such pack. There are: ${Object.keys(packs).join(', ')}`);
  return pack;
}

/** The client as one ES module for pages: needs no bundler, imports nothing. @throws where there is none. */
export async function bundlePage(name: string): Promise<string> {
  const { page } = packOf(name);
  if (page === null) throw new Error(`${name} has no page`);
  const input = join(root, 'packages', name, page);
  await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false });
  const [chunk] = output;
  if (chunk.imports.length > 0) throw new Error(`the page's module imports ${chunk.imports.join(', ')}`);
  return chunk.code;
}

/** Packages that may be inside. */
function workspaceNames(): string[] {
  const names = new Set<string>();
  const add = (name: string) => {
    if (names.has(name)) return;
    names.add(name);
    for (const dependency of Object.keys(manifestOf(name).dependencies ?? {})) {
      if (dependency.startsWith(scope)) add(dependency.slice(scope.length));
    }
  };
  for (const name of Object.keys(packs)) add(name);
  return [...names];
}

function compile(scratch: string, out: string): void {
  const paths: Record<string, string[]> = {};
  const files = new Set<string>();
  for (const name of workspaceNames()) {
    const { exports, imports = {} } = manifestOf(name);
    for (const entry of [...Object.keys(exports), ...Object.keys(imports)]) {
      const targets = targetsOf(name, entry).filter((target) => target.endsWith('.ts') && entry !== './testing');
      const sources = targets.map((target) => join(root, 'packages', name, target));
      for (const source of sources) files.add(source);
      // Reached through node_modules they would count as somebody else's, and not be compiled.
      if (sources[0] !== undefined && !entry.startsWith('#')) paths[posix.join(scope + name, entry)] = [sources[0]];
    }
  }
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rootDir: join(root, 'packages'),
      outDir: out,
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
      paths,
    },
    files: [...files],
  };
  writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', join(scratch, 'tsconfig.json')], { stdio: ['ignore', 2, 2] });
}

interface Reached {
  /** Compiled files, relative to the output folder. */
  readonly files: ReadonlySet<string>;
  /** npm packages that they import, to the versions the workspace has. */
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Follows imports, of code and of declarations each, from the entries. */
function reach(name: string, entries: readonly string[], out: string): Reached {
  const files = new Set<string>();
  const dependencies: Record<string, string> = {};
  const waiting = entries.flatMap((entry) => compiledOf(name, entry));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    const own = packageOf(file);
    const isTyped = file.endsWith('.d.ts');
    const likeIt = (targets: readonly string[]) => targets.filter((target) => target.endsWith('.d.ts') === isTyped);
    for (const specifier of specifiersOf(join(out, file))) {
      if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(file), specifier.replace(/\.(ts|js)$/, ''));
        waiting.push(target + (isTyped ? '.d.ts' : '.js'));
      } else if (specifier.startsWith(scope)) {
        const [other = '', ...rest] = specifier.slice(scope.length).split('/');
        waiting.push(...likeIt(compiledOf(other, ['.', ...rest].join('/'))));
      } else if (specifier.startsWith('#')) {
        waiting.push(...likeIt(compiledOf(own, specifier)));
      } else if (!specifier.startsWith('node:')) {
        const dependency = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        const version = manifestOf(own).dependencies?.[dependency];
        // Types of Node itself and of test tools are the user's own.
        if (version !== undefined) dependencies[dependency] = version;
        else if (!isTyped) throw new Error(`${file} imports ${dependency}, which ${own} does not declare`);
      }
    }
  }
  return { files, dependencies };
}

function writeStage(stage: string, name: string, entries: readonly string[], reached: Reached, out: string): void {
  const inside = new Set([...reached.files].map(packageOf));
  const versions: Record<string, string> = {};
  for (const each of inside) {
    const directory = each === name ? stage : join(stage, 'node_modules', scope + each);
    for (const file of reached.files) {
      if (packageOf(file) !== each) continue;
      const target = join(directory, distOf(file).split('/').join(sep));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, withJsSpecifiers(join(out, file)));
    }
    const { version } = manifestOf(each);
    if (each !== name) {
      versions[scope + each] = version;
      writeManifest(directory, { name: scope + each, version, ...packedTargets(each, null, reached.files) });
    }
  }
  const { version, description, license } = manifestOf(name);
  writeManifest(stage, {
    name: scope + name,
    version,
    description,
    license,
    engines: { node: '>=24' },
    ...withPage(packedTargets(name, entries, reached.files), packOf(name)),
    dependencies: { ...versions, ...reached.dependencies },
    bundleDependencies: Object.keys(versions),
  });
  for (const file of ['README.md', 'PROTOCOL.md', 'proto']) {
    const source = join(root, 'packages', name, file);
    if (existsSync(source)) cpSync(source, join(stage, file), { recursive: true });
  }
  cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
}

/** npm's own JavaScript entry, so that it runs under this Node. */
function npmCli(): string {
  if (process.env['npm_execpath']?.endsWith('npm-cli.js') === true) return process.env['npm_execpath'];
  const which = execFileSync(process.platform === 'win32' ? 'where' : 'which', ['npm'], { encoding: 'utf8' });
  return realpathSync(which.split('\n')[0]?.trim() ?? 'npm');
}

function writeManifest(directory: string, fields: object): void {
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify({ ...fields, type: 'module' }, null, 2)}\n`);
}

/** The package's `exports` and `imports` as they are when built; `entries` null: all that were reached. */
function packedTargets(name: string, entries: readonly string[] | null, files: ReadonlySet<string>) {
  // What only declarations speak of is there for them alone.
  const packTarget = ([condition, target]: [string, string]): [string, string][] => {
    if (!target.endsWith('.ts') || files.has(compiledFile(name, target))) return [[condition, built(target)]];
    const isTyped = files.has(compiledFile(name, target).replace(/\.js$/, '.d.ts'));
    return isTyped ? [['types', built(target).replace(/\.js$/, '.d.ts')]] : [];
  };
  const pack = (targets: Targets, isWanted: (entry: string) => boolean) => {
    const packed: Record<string, unknown> = {};
    for (const [entry, target] of Object.entries(targets).filter(([entry]) => isWanted(entry))) {
      const conditions = Object.entries(typeof target === 'string' ? { default: target } : target);
      const there = conditions.flatMap(packTarget);
      if (there.length > 0) packed[entry] = Object.fromEntries(there);
    }
    return packed;
  };
  const { exports, imports = {} } = manifestOf(name);
  return {
    exports: pack(exports, (entry) => entries === null || entries.includes(entry)),
    imports: pack(imports, () => true),
  };
}

function withPage(targets: ReturnType<typeof packedTargets>, pack: Pack) {
  if (pack.page === null) return targets;
  return { ...targets, exports: { ...targets.exports, './page.js': './dist/page.js' } };
}

const built = (target: string) => target.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '.js');
const distOf = (file: string) => posix.join('dist', ...file.split('/').slice(2));
const packageOf = (file: string) => file.split('/')[0] as string;
const compiledFile = (name: string, target: string) => posix.join(name, target.replace(/\.ts$/, '.js'));

function compiledOf(name: string, entry: string): string[] {
  const targets = targetsOf(name, entry).filter((target) => target.endsWith('.ts'));
  return targets.flatMap((target) => [compiledFile(name, target), posix.join(name, target.replace(/\.ts$/, '.d.ts'))]);
}

function targetsOf(name: string, entry: string): string[] {
  const { exports, imports } = manifestOf(name);
  const target = entry.startsWith('#') ? imports?.[entry] : exports[entry];
  if (target === undefined) throw new Error(`${scope}${name} has no export ${entry}`);
  return typeof target === 'string' ? [target] : Object.values(target);
}

const manifests = new Map<string, Manifest>();

function manifestOf(name: string): Manifest {
  const known = manifests.get(name);
  if (known !== undefined) return known;
  const path = join(root, 'packages', name, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest; // the workspace's own file
  manifests.set(name, manifest);
  return manifest;
}

interface Specifier {
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

function specifierNodesOf(file: string): Specifier[] {
  const found: Specifier[] = [];
  walk(parseSource(file).tree, (node) => {
    const source = node['source'] ?? (node.type === 'TSImportType' ? node['argument'] : undefined);
    if (!isNode(source)) return;
    const literal = isNode(source['literal']) ? source['literal'] : source;
    const value = literal['value'];
    if (typeof value === 'string') found.push({ value, start: literal.start, end: literal.end });
  });
  return found;
}

const specifiersOf = (file: string) => specifierNodesOf(file).map(({ value }) => value);

/** The compiler leaves `./x.ts` in declarations: there it must be `./x.js`. */
function withJsSpecifiers(file: string): string {
  let text = readFileSync(file, 'utf8');
  if (!file.endsWith('.d.ts')) return text;
  const nodes = specifierNodesOf(file).filter(({ value }) => value.startsWith('.') && value.endsWith('.ts'));
  for (const { value, start, end } of nodes.sort((a, b) => b.start - a.start)) {
    text = `${text.slice(0, start)}'${value.replace(/\.ts$/, '.js')}'${text.slice(end)}`;
  }
  return text;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({ options: { to: { type: 'string' } }, allowPositionals: true });
  const names = positionals.length > 0 ? positionals : Object.keys(packs);
  const to = values.to ?? join(root, 'dist', 'packs');
  for (const name of names) process.stdout.write(`${relative(process.cwd(), await packAlone(name, to))}\n`);
}
