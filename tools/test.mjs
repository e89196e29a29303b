// `npm test`: sets up what is missing, then every check, cheapest first. `npm test -- NAME…` runs only the
// named ones. Its last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureInstalled, ensureWebBuilt } from './setup.mjs';

const programs = [
  {
    check: 'browser',
    paths: [process.env.PULSEMESH_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
    packages: ['chromium', 'fonts-dejavu-core'],
  },
  { check: 'node', paths: ['/usr/bin/strace'], packages: ['strace'] },
  // The middleboxes that hospitals have, for the firewall tests of the link.
  { check: 'node', paths: ['/usr/bin/tinyproxy'], packages: ['tinyproxy-bin'] },
  { check: 'node', paths: ['/usr/lib/squid/security_file_certgen'], packages: ['squid-openssl'] },
  { check: 'node', paths: ['/usr/bin/mitmdump'], packages: ['mitmproxy'] },
  { check: 'node', paths: ['/usr/sbin/haproxy'], packages: ['haproxy'] },
  { check: 'node', paths: ['/usr/bin/slowhttptest'], packages: ['slowhttptest'] },
  { check: 'node', paths: ['/usr/sbin/nft'], packages: ['nftables'] },
  { check: 'node', paths: ['/usr/sbin/ip'], packages: ['iproute2'] },
  // A shared engine of the relay; its tests start servers of their own.
  {
    check: 'node',
    paths: [15, 16, 17, 18].map((version) => `/usr/lib/postgresql/${version}/bin/pg_basebackup`),
    packages: ['postgresql'],
  },
  // The client in Python uses Debian's Python and its packages.
  { check: 'node', paths: ['/usr/lib/python3/dist-packages/cryptography'], packages: ['python3-cryptography'] },
];

/** name → command line; the first six are one check each, the rest count their tests. */
function checksOf(root) {
  const bin = (name, path) => join(root, 'node_modules', name, path);
  const tsc = bin('typescript', 'bin/tsc');
  return [
    { name: 'format-and-lint', args: [bin('@biomejs/biome', 'bin/biome'), 'ci', '--colors=off', '.'] },
    { name: 'types', args: [tsc, '--noEmit', '-p', 'tsconfig.json'] },
    { name: 'types-web', args: [tsc, '--noEmit', '-p', 'apps/web/tsconfig.json'] },
    { name: 'floors', args: ['tools/check-floors.ts'] },
    { name: 'tidy', args: ['tools/tidy.ts'] },
    { name: 'dead-code', args: [bin('knip', 'bin/knip.js'), '--no-progress'] },
    ...['node', 'web', 'e2e', 'browser'].map((project) => ({ name: project, project })),
  ];
}

function main(wanted) {
  const installed = ensureInstalled();
  const { root, node } = installed;
  const web = ensureWebBuilt(installed);
  const checks = checksOf(root).filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  if (checks.length === 0) {
    throw new Error(
      `No such check. There are: ${checksOf(root)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  installPrograms(checks.map(({ name }) => name));
  const scratch = mkdtempSync(join(tmpdir(), 'pulsemesh-test-'));
  const env = {
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH}`,
    PULSEMESH_WEB: web,
    NO_COLOR: '1',
    // Tests that forget to name a data directory must not touch the user's.
    PULSEMESH_DATA: join(scratch, 'data'),
  };
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const check of checks) {
      const started = performance.now();
      const result = check.project
        ? runProject(check.project, { root, node, env, scratch })
        : runCheck(check, { root, node, env });
      for (const key of Object.keys(counts)) counts[key] += result[key];
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      process.stdout.write(
        `== ${check.name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped (${seconds} s)\n`,
      );
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

function runCheck({ args }, { root, node, env }) {
  const { status } = spawnSync(node, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

function runProject(project, { root, node, env, scratch }) {
  const output = join(scratch, `${project}.json`);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [
    vitest,
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
  ];
  const { status } = spawnSync(node, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (!existsSync(output)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(output, 'utf8'));
  const failed = report.numFailedTests;
  return {
    passed: report.numPassedTests,
    // A file that does not load has no tests to count, yet the run has failed.
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * Programs that tests use from outside, installed from Debian's packages where that is possible; elsewhere the tests that need
 * them skip and say so.
 */
function installPrograms(names) {
  const missing = programs.filter(
    ({ check, paths }) => names.includes(check) && !paths.some((path) => path && existsSync(path)),
  );
  if (missing.length === 0) return;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  const packages = missing.flatMap((program) => program.packages);
  process.stdout.write(`Installing for the tests (apt-get): ${packages.join(' ')} …\n`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  spawnSync('apt-get', ['update', '-qq'], options);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
