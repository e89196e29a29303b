export { openAdmission } from './open-admission.ts';
export { type OpenBoardOptions, openBoard } from './open-board.ts';
export { type AloneConfig, runBoard, runWitness } from './run-board.ts';
