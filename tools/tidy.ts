/**
 * House rules that no linter knows: time and chance only through `base`, no console outside the apps,
 * no TODO without a number, no huge file, and functions that only get shorter (a ratchet).
 */
import { readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isNode, parseSource, type SyntaxNode, sourceFiles, walk } from './sources.ts';

/** A function may have this many lines; longer ones stand in the ratchet with the length they must not pass. */
export const functionLinesMax = 70;
const fileBytesMax = 4 * 1024 * 1024;
const bareTimers = new Set(['setTimeout', 'setInterval']);
const folders = ['packages', 'apps', 'simulation', 'bench', 'examples', 'tools', 'tests'];

export interface Ratchet {
  readonly [functionName: string]: number;
}

/** One sentence per fault found below `root`. */
export function checkTidy(root: string, ratchet: Ratchet): string[] {
  const files = folders.flatMap((folder) => sourceFiles(join(root, folder)));
  const seen = new Set<string>();
  const faults = files.flatMap((file) => {
    const path = relative(root, file).split(sep).join('/');
    const { text, tree } = parseSource(file);
    return [
      ...worldFaults(path, text, tree),
      ...textFaults(path, file, text),
      ...lengthFaults(path, text, tree, ratchet, seen),
    ];
  });
  const stale = Object.keys(ratchet).filter((name) => !seen.has(name));
  return [...faults, ...stale.map((name) => `tools/tidy-ratchet.json: ${name} is short enough now: remove it`)];
}

/** Files where time, chance and the console are what they are for. */
function mayTouchWorld(path: string): { time: boolean; console: boolean } {
  const isTest = /\.test\.tsx?$/.test(path) || path.startsWith('tests/');
  const isBase = path.startsWith('packages/base/');
  const isPage = path.startsWith('apps/web/');
  const isTool = path.startsWith('tools/') || path.startsWith('examples/');
  const isBench = path.startsWith('bench/');
  return {
    time: isBase || isPage || isTool || isBench || isTest,
    console: path.startsWith('apps/') || path.startsWith('simulation/src/main.ts') || isTool || isBench || isTest,
  };
}

function worldFaults(path: string, text: string, tree: SyntaxNode): string[] {
  const may = mayTouchWorld(path);
  const faults: string[] = [];
  const add = (node: SyntaxNode, what: string) => faults.push(`${path}:${lineOf(text, node.start)}: ${what}`);
  walk(tree, (node) => {
    const member = memberName(node);
    if (!may.time && (member === 'Date.now' || member === 'Math.random' || member === 'performance.now')) {
      add(node, `${member} outside base: take a Clock or a Random`);
    }
    if (!may.time && node.type === 'NewExpression' && nameOf(node['callee']) === 'Date' && isEmpty(node['arguments'])) {
      add(node, 'new Date() outside base: take a Clock');
    }
    if (!may.time && node.type === 'CallExpression' && bareTimers.has(nameOf(node['callee']) ?? '')) {
      add(node, `bare ${nameOf(node['callee'])} outside base: take a Clock`);
    }
    if (!may.console && member?.startsWith('console.')) add(node, 'console outside the apps: take a Logger');
  });
  return faults;
}

function textFaults(path: string, file: string, text: string): string[] {
  const faults: string[] = [];
  if (statSync(file).size > fileBytesMax) faults.push(`${path}: over ${fileBytesMax} bytes`);
  const todo = /\b(?:TODO|FIXME|XXX)\b(?!\s*\(#\d+\))/;
  // The checks have to name what they look for, and their tests plant it.
  if (path.startsWith('tools/')) return faults;
  for (const [index, line] of text.split('\n').entries()) {
    if (todo.test(line)) faults.push(`${path}:${index + 1}: a TODO without an issue number: write TODO(#12)`);
  }
  return faults;
}

function lengthFaults(path: string, text: string, tree: SyntaxNode, ratchet: Ratchet, seen: Set<string>): string[] {
  // The body of a describe block is a table of contents, not a function one has to hold in the head.
  if (/(\.test\.tsx?|-contract\.ts)$/.test(path)) return [];
  const faults: string[] = [];
  const visit = (node: SyntaxNode, name: string) => {
    const lines = lineOf(text, node.end) - lineOf(text, node.start) + 1;
    const allowed = ratchet[`${path}:${name}`];
    if (lines <= functionLinesMax) return;
    seen.add(`${path}:${name}`);
    if (allowed === undefined) faults.push(`${path}: ${name} has ${lines} lines, ${functionLinesMax} are allowed`);
    else if (lines > allowed) faults.push(`${path}: ${name} grew to ${lines} lines, its ratchet stands at ${allowed}`);
  };
  walk(tree, (node) => {
    if (node.type === 'FunctionDeclaration') visit(node, nameOf(node['id']) ?? 'function');
    if (node.type === 'MethodDefinition' && isNode(node['value']))
      visit(node['value'], nameOf(node['key']) ?? 'method');
    if (node.type === 'VariableDeclarator' && isNode(node['init']) && node['init'].type === 'ArrowFunctionExpression') {
      visit(node['init'], nameOf(node['id']) ?? 'arrow');
    }
  });
  return faults;
}

function memberName(node: SyntaxNode): string | undefined {
  if (node.type !== 'MemberExpression') return undefined;
  const object = nameOf(node['object']);
  const property = nameOf(node['property']);
  return object !== undefined && property !== undefined ? `${object}.${property}` : undefined;
}

function nameOf(node: unknown): string | undefined {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : undefined;
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = process.argv[2] ?? process.cwd();
  const ratchet = JSON.parse(readFileSync(join(root, 'tools', 'tidy-ratchet.json'), 'utf8')) as Ratchet; // ours
  const faults = checkTidy(root, ratchet);
  for (const fault of faults) console.error(fault);
  console.log(`tidy: ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
