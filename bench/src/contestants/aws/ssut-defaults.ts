import { ssut } from './ssut.js';

export default ssut({ safety: 'defaults', says: 'one received at a time; what it loses is time alone' }, {});
