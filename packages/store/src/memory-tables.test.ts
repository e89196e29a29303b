import { describe, it } from 'vitest';
import { createMemoryTables } from './memory-tables.ts';
import { runTableStoreContract } from './table-store-contract.ts';

runTableStoreContract(
  { describe, it },
  {
    name: 'memory',
    open: async () => createMemoryTables(),
    openSmall: async () => createMemoryTables({ bytesMax: 512 * 1024 }),
  },
);
