import { AgentPanel } from "@gtc-tech/agent-core-ui";
import "@gtc-tech/agent-core-ui/style.css";
import { show } from "./app.jsx";

show(AgentPanel);
