import { defineConfig } from 'vitest/config';

const server = [
  'packages/*/src/**/*.test.ts',
  'apps/cli/src/**/*.test.ts',
  'simulation/src/**/*.test.ts',
  'bench/src/**/*.test.ts',
  'tools/**/*.test.ts',
  'examples/**/*.test.ts',
  'tests/threats/**/*.test.ts',
  'tests/clients/**/*.test.ts',
  'tests/lan/**/*.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'node', include: server, pool: 'forks', testTimeout: 60_000 } },
      { test: { name: 'web', include: ['apps/web/src/**/*.test.{ts,tsx}'], environment: 'happy-dom' } },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['tests/browser/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
