-- The actions of an EgainClient in Argo CD. A suspended one is not renewed, so renew waits for resume.
local suspended = obj.spec.suspend == true
return {
  renew = {disabled = suspended},
  suspend = {disabled = suspended},
  resume = {disabled = not suspended},
}
