export { formatCheckpoint } from '../notes/checkpoint.ts';
export { signNoteText } from '../notes/keys.ts';
export { LyingBoard, type ShownLog } from './lying-board.ts';
export {
  createMemoryBoard,
  type MemoryBoard,
  type MemoryBoardDependencies,
  type MemoryBoardOptions,
  type MemoryHead,
  type MemoryReader,
} from './memory-board.ts';
export {
  sampleContract,
  sampleEnrolment,
  sampleTask,
  someHash,
  type TestAuthor,
  testAuthor,
} from './sample-entries.ts';
