/** ONNX Runtime, without its reports to Microsoft. All code imports it from here. */
import './no-telemetry.ts';
import ort from 'onnxruntime-node';

export default ort;
