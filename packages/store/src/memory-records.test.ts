import { describe, it } from 'vitest';
import { createMemoryRecords } from './memory-records.ts';
import { runRecordStoreContract } from './record-store-contract.ts';

runRecordStoreContract(
  { describe, it },
  {
    name: 'memory',
    open: async () => createMemoryRecords(),
    openSmall: async () => createMemoryRecords({ bytesMax: 512 * 1024 }),
  },
);
