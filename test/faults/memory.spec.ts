import { describeFaults } from './describe-faults.js';
import { memoryGround } from './grounds/memory.js';

describeFaults(memoryGround);
