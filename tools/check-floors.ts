/** Fails on an import that points up or sideways between packages, or past a package's front door. */
import { globSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { importsOf, sourceFiles } from './sources.ts';

interface Package {
  readonly directory: string;
  readonly name: string;
  readonly layer: number;
  readonly dependencies: ReadonlySet<string>;
}

/** One sentence per fault found below `root`, each naming file and import. */
export function checkFloors(root: string): string[] {
  const packages = readPackages(root);
  const byName = new Map(packages.map((one) => [one.name, one]));
  const faults: string[] = [];
  for (const one of packages) {
    for (const file of sourceFiles(join(root, one.directory))) {
      const path = relative(root, file);
      for (const specifier of importsOf(file)) {
        const fault = faultOf(one, specifier, file, root, byName);
        if (fault !== undefined) faults.push(`${path}: ${fault}`);
      }
    }
  }
  return faults;
}

function faultOf(
  from: Package,
  specifier: string,
  file: string,
  root: string,
  byName: ReadonlyMap<string, Package>,
): string | undefined {
  if (specifier.startsWith('.')) {
    const target = resolve(file, '..', specifier);
    const isInside = target.startsWith(join(root, from.directory) + sep);
    return isInside ? undefined : `"${specifier}" leaves the package ${from.name}`;
  }
  if (!specifier.startsWith('@pulsemesh/')) return undefined;
  const [scope, name, ...rest] = specifier.split('/');
  const to = byName.get(`${scope}/${name}`);
  if (to === undefined) return `"${specifier}" names no package of this house`;
  if (to === from) return `"${specifier}" imports its own package by name`;
  if (to.layer >= from.layer) {
    return `"${specifier}" (floor ${to.layer}) is not below ${from.name} (floor ${from.layer})`;
  }
  if (!from.dependencies.has(to.name)) return `"${specifier}" is missing in the dependencies of ${from.name}`;
  if (rest.includes('src')) return `"${specifier}" goes past the front door of ${to.name}`;
  return undefined;
}

function readPackages(root: string): Package[] {
  return globSync(['packages/*/package.json', 'apps/*/package.json', 'simulation/package.json', 'bench/package.json'], {
    cwd: root,
  }).map((path) => {
    // Our own manifests; a wrong shape shows as a fault right below.
    const manifest = JSON.parse(readFileSync(join(root, path), 'utf8')) as {
      name: string;
      layer?: number;
      dependencies?: Record<string, string>;
    };
    if (manifest.layer === undefined) throw new Error(`${path} says no "layer"`);
    return {
      directory: join(path, '..'),
      name: manifest.name,
      layer: manifest.layer,
      dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
    };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const faults = checkFloors(process.argv[2] ?? process.cwd());
  for (const fault of faults) console.error(fault);
  console.log(`floors: ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
