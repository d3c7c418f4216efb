/** The last line of a Python traceback. */
export const PYTHON_ERROR = /^([\w.]+\.)?\w*(Error|Exception|Exit)(: .+)?$/;
