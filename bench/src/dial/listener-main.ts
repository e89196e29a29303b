/**
 * The listening process of the bench `dial`: starts the contender named, tells its parent the address, and how much CPU it
 * has used whenever it is asked.
 */
import type { TlsPair } from '../link/contender.ts';
import { contenderOf } from './contenders.ts';

process.once('message', (pair: TlsPair) => {
  void contenderOf(process.argv[2] ?? '')
    .listen(pair)
    .then((listener) => {
      process.send?.(listener.address);
      process.on('message', () => {
        const { user, system } = process.cpuUsage();
        process.send?.(user + system);
      });
      process.once('disconnect', () => void listener.stop().then(() => process.exit()));
    });
});
