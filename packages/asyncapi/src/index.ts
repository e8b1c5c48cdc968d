export { asyncApiDocument, type AsyncApiDocument, type AsyncApiOptions } from './document.js';
