/** Folder with a model's chat templates besides the default one, in transformers' layout. */
export const ADDITIONAL_TEMPLATES = 'additional_chat_templates';
