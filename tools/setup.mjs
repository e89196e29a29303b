// Makes the checkout ready to run: Node 24, the packages of package-lock.json, the built web page.
// Plain JavaScript for any Node >= 18, because it runs before Node 24 is there. Does nothing, in
// milliseconds, when everything is in place.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeMajorMin = 24;
const say = (text) => process.stderr.write(`${text}\n`);

/** Where Pulsemesh keeps its state, outside the checkout; PULSEMESH_DATA overrides the platform's place. */
export function dataDirectory() {
  const { PULSEMESH_DATA, XDG_DATA_HOME, LOCALAPPDATA } = process.env;
  if (PULSEMESH_DATA) return PULSEMESH_DATA;
  if (process.platform === 'win32') return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'pulsemesh');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'pulsemesh');
  return join(XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'pulsemesh');
}

/**
 * Installs what is missing. A checkout that cannot be written and has no packages yet is copied to the
 * data directory and installed there.
 * @returns {{ root: string, node: string }} where the program runs from, and the Node 24 to run it with.
 */
export function ensureInstalled() {
  const root = isReady(checkout) || isWritable(checkout) ? checkout : copyCheckout();
  if (!isReady(root)) install(root);
  return { root, node: nodeOf(root) };
}

/**
 * Builds the web page when its sources are newer than what was built.
 * @returns {string} the folder with index.html: in the checkout, or in the data directory where that is read-only.
 */
export function ensureWebBuilt({ root, node }) {
  const inCheckout = join(root, 'apps', 'web', 'dist');
  const out = isWritable(join(root, 'apps', 'web')) ? inCheckout : join(dataDirectory(), 'web');
  const wanted = hashOf([join(root, 'apps', 'web'), join(root, 'packages', 'node', 'src', 'api')], root);
  for (const candidate of [inCheckout, out]) {
    if (readOr(join(candidate, '.stamp'), '') === wanted) return candidate;
  }
  say('Building the web page …');
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  // The native loader reads the configuration as it is; the default one writes a file beside it, which may be read-only.
  const args = [vite, 'build', '--configLoader', 'native', '--logLevel', 'warn', '--emptyOutDir', '--outDir', out];
  const built = spawnSync(node, args, {
    cwd: join(root, 'apps', 'web'),
    stdio: ['ignore', 2, 2],
    env: { ...process.env, NODE_ENV: 'production', PULSEMESH_WEB_OUT: out },
  });
  if (built.status !== 0) throw new Error('The web page could not be built; see the lines above.');
  writeFileSync(join(out, '.stamp'), wanted);
  return out;
}

/** What the stamp must say for the installed packages to be those of the lockfile. */
function wantedStamp(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function isReady(root) {
  return readOr(join(root, 'node_modules', '.pulsemesh-stamp'), '') === wantedStamp(root);
}

function install(root) {
  say('Installing what Pulsemesh needs (once; about a minute) …');
  const temporary = mkdtempSync(join(tmpdir(), 'pulsemesh-setup-'));
  try {
    const node =
      Number(process.versions.node.split('.')[0]) >= nodeMajorMin ? process.execPath : fetchNode(root, temporary);
    // npm runs under Node 24 from here on: under 20 it leaves out packages that declare `engines` >= 22.
    // No package's install script runs: every native add-on in the lockfile ships its binary.
    const ci = npm(node, ['ci', '--ignore-scripts'], root);
    if (ci !== 0) {
      say('npm ci failed (a registry that does not serve every platform?); trying npm install …');
      if (npm(node, ['install', '--no-save', '--ignore-scripts'], root) !== 0) {
        throw new Error('The packages could not be installed. Is the npm registry reachable? See the lines above.');
      }
    }
    writeFileSync(join(root, 'node_modules', '.pulsemesh-stamp'), wantedStamp(root));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Installs only this platform's Node 24, pinned and checked by the lockfile's integrity hash. */
function fetchNode(root, directory) {
  const name = platformNodePackage();
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const entry = packages[`node_modules/${name}`];
  if (entry === undefined) {
    throw new Error(
      `Node ${nodeMajorMin} or newer is needed, and there is no npm build of it for ${process.platform}-${process.arch}: install it from nodejs.org and try again.`,
    );
  }
  const manifest = { name: 'pulsemesh-node', version: '0.0.0', private: true, dependencies: { [name]: entry.version } };
  const { optional: _optional, ...pinned } = entry;
  const lock = {
    ...manifest,
    lockfileVersion: 3,
    requires: true,
    packages: { '': manifest, [`node_modules/${name}`]: pinned },
  };
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(lock));
  if (npm(process.execPath, ['ci', '--ignore-scripts'], directory) !== 0) {
    throw new Error(`Node ${entry.version} could not be fetched from the npm registry; see the lines above.`);
  }
  return nodeOf(directory);
}

function npm(node, args, cwd) {
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  const options = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier'];
  const result = spawnSync(node, [npmCli(), ...args, ...options], {
    cwd,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: path },
  });
  return result.status;
}

/** npm's own JavaScript entry, so that it can be run under a Node of our choice. */
function npmCli() {
  const candidates = [
    process.env.npm_execpath,
    join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ];
  const found = candidates.find((path) => path?.endsWith('npm-cli.js') && existsSync(path));
  if (found) return found;
  const which = execFileSync(process.platform === 'win32' ? 'where' : 'which', ['npm'], { encoding: 'utf8' });
  return realpathSync(which.split('\n')[0].trim());
}

function platformNodePackage() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  return `node-${platform}-${process.arch}`;
}

function nodeOf(root) {
  const binary = process.platform === 'win32' ? 'node.exe' : join('bin', 'node');
  const installed = join(root, 'node_modules', platformNodePackage(), binary);
  if (existsSync(installed)) return installed;
  if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) return process.execPath;
  throw new Error(`Node ${nodeMajorMin} is not installed in ${root}: delete node_modules and start again.`);
}

function copyCheckout() {
  const root = join(dataDirectory(), `program-${wantedStamp(checkout).slice(0, 12)}`);
  say(`The checkout cannot be written: installing in ${root} instead.`);
  mkdirSync(root, { recursive: true });
  const skipped = new Set(['node_modules', '.git', 'dist']);
  cpSync(checkout, root, { recursive: true, filter: (path) => !skipped.has(path.split(/[\\/]/).at(-1)) });
  return root;
}

function isWritable(directory) {
  try {
    accessSync(directory, constants.W_OK);
    return !isReadOnlyMount(directory);
  } catch {
    return false;
  }
}

// Root passes access(2) on a directory without write permission; a read-only mount refuses the real write.
function isReadOnlyMount(directory) {
  const probe = join(directory, `.pulsemesh-probe-${process.pid}`);
  try {
    writeFileSync(probe, '');
    rmSync(probe);
    return false;
  } catch {
    return true;
  }
}

function hashOf(directories, root) {
  const hash = createHash('sha256');
  for (const file of directories.flatMap((directory) => filesBelow(directory))) {
    hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function filesBelow(directory) {
  return readdirSync(directory)
    .filter((name) => name !== 'dist' && name !== 'node_modules' && !name.startsWith('.'))
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    });
}

function readOr(path, fallback) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  try {
    ensureWebBuilt(ensureInstalled());
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
