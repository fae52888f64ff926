// Makes models of an AsyncAPI document with Modelina, in TypeScript and in Python, and prints their names.
//
//   node modelina.cjs DOCUMENT FOLDER
const fs = require("node:fs");
const path = require("node:path");
const { PythonFileGenerator, TypeScriptFileGenerator } = require("@asyncapi/modelina");

async function main([file, folder]) {
    const document = JSON.parse(fs.readFileSync(file, "utf8"));
    const typescript = path.join(folder, "typescript");
    const models = await new TypeScriptFileGenerator({ modelType: "interface" })
        .generateToFiles(document, typescript, { exportType: "named" }, true);
    const python = path.join(folder, "python", "bloodbank_models");
    await new PythonFileGenerator().generateToFiles(document, python, { packageName: "bloodbank_models" }, true);
    for (const model of models) {
        console.log(model.modelName);
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
