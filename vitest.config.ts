import { availableParallelism } from 'node:os';
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

// Most of these tests wait for sockets, disks and other processes: one more at a time than there are cores, where vitest takes
// one less.
const workersOfWaiting = Math.max(3, availableParallelism() + 1);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: server,
          pool: 'forks',
          maxWorkers: workersOfWaiting,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'web',
          include: ['apps/web/src/**/*.test.{ts,tsx}'],
          environment: 'happy-dom',
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          pool: 'forks',
          // A demo has two dozen processes: two demos at once on two cores measure each other.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
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
          sequence: { groupOrder: 3 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
