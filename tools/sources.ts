/** Reading the project's own sources, for the checks in this folder. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

/** A node of the syntax tree, as far as the checks look. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Every TypeScript file below `directory`, tests included, absolute paths. */
export function sourceFiles(directory: string): string[] {
  return globSync('**/*.{ts,tsx}', { cwd: directory, exclude: ['**/node_modules/**', '**/dist/**'] })
    .filter((path) => !path.includes('node_modules') && !path.includes('dist/') && !path.endsWith('.d.ts'))
    .sort()
    .map((path) => join(directory, path));
}

/** Parses one file. @throws when it is not TypeScript. */
export function parseSource(file: string): { readonly text: string; readonly tree: SyntaxNode } {
  const text = readFileSync(file, 'utf8');
  const tree = parseAst(text, { lang: file.endsWith('.tsx') ? 'tsx' : 'ts' });
  return { text, tree: tree as unknown as SyntaxNode }; // ESTree; the checks read few of its fields
}

/** Calls `visit` for every node, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit);
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

/** What a file imports or re-exports, statically, dynamically or for types, as written. */
export function importsOf(file: string): string[] {
  const specifiers: string[] = [];
  walk(parseSource(file).tree, (node) => {
    const source = node['source'] ?? (node.type === 'TSImportType' ? node['argument'] : undefined);
    if (!isNode(source)) return;
    const literal = isNode(source['literal']) ? source['literal'] : source;
    if (typeof literal['value'] === 'string') specifiers.push(literal['value']);
  });
  return specifiers;
}
