import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface LockedPackage {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
const locked = Object.entries(
  (JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }).packages,
);
const installed = locked.filter(([path, { link }]) => path.includes('node_modules/') && link !== true);
const workspaces = locked.filter(([path]) => !path.includes('node_modules/'));
const reasons = read('docs/dependencies.md');

/** True when the table of reasons names the package, alone or by its scope. */
const hasReason = (name: string) => reasons.includes(`\`${name}\``) || reasons.includes(`\`${name.split('/')[0]}/*\``);

describe('row 65: what is installed', () => {
  it('comes with a hash, and from no address of its own', () => {
    expect(installed.length).toBeGreaterThan(100);
    for (const [path, { integrity, resolved = '' }] of installed) {
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/)]);
      expect([path, resolved]).toEqual([path, expect.stringMatching(/^(https:\/\/registry\.npmjs\.org\/.*)?$/)]);
    }
  });

  it('is named exactly, and has its reason in docs/dependencies.md', () => {
    for (const [path, { dependencies, devDependencies, optionalDependencies }] of workspaces) {
      for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
        if (name.startsWith('@pulsemesh/')) continue;
        expect([path, name, version]).toEqual([path, name, expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
        expect([name, hasReason(name)]).toEqual([name, true]);
      }
    }
  });

  it('runs none of its scripts at installation', () => {
    expect(read('.npmrc').split(/\r?\n/)).toContain('ignore-scripts=true');
  });
});
