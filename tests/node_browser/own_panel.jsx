import { AgentPanel } from "callboard-client/react";
import "callboard-client/style.css";
import { show } from "./app.jsx";

show(AgentPanel);
