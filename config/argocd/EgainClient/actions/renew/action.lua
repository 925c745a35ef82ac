-- Requests a new token now. Each value of the annotation requests one.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["auth.egain.com/renew-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
